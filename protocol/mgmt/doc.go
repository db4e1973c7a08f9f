// Package mgmt is the management protocol: how the command line, mounts and bricks
// talk to a daemon, and how the daemon talks to its bricks' admin sockets.
//
// # Protocol
//
//  1. Every gofs TCP connection begins with the four bytes "gofs" and one byte that
//     names the kind of stream; this package speaks kind 'm'. The same five bytes are
//     sent on unix sockets.
//  2. Then, in both directions, frames: a length (32 bit, big endian, at most
//     MaxFrame) and that many bytes of JSON, one message.
//  3. A request has an id (from 1, chosen by the client) and a method. Its answer has
//     the same id and either a body or an error; answers come in any order.
//  4. A message from the server with id 0 is news: the volfile of a volume that
//     the client subscribed to has changed.
//
// A frame that is too long or is not JSON ends the connection and nothing else.
package mgmt
