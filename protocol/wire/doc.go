// Package wire is how fops look on the network: frames, and the conversion between
// the types of xlators/fop and the protobuf messages of protocol/pb.
//
// # Stream
//
// A connection begins with the 5 bytes "gofs" and 'd' (the data protocol) from the
// client. From then on both sides send frames. The client's first is a Hello, the
// server's first the HelloReply; both say what they speak in the message.
//
// # Frame
//
//	bytes  field    (big-endian)
//	0-1    magic    0x6f 0x46
//	2      version  1
//	3      kind     Kind
//	4-5    op       Op of a request and of its reply, else 0
//	6-7    errno    of a reply, 0 success
//	8-15   id       call id: chosen by the client, never 0; 0 in frames without a reply
//	16-23  handle   the open file or directory that the fop is on, chosen by the
//	                client; 0 for fops on inodes and names
//	24-27  message length
//	28-31  payload length
//	32-    protobuf message, then the raw payload
//
// Calls are answered in any order. READ data, WRITE data and the content that Open
// answers with are payloads. The message of a reply with an errno is empty, or a text.
//
// # Liveness
//
// Each side sends an empty Ping frame when it sent nothing else for a second. A peer
// from which nothing arrives for longer than the ping-timeout is taken for dead. No
// answer is expected.
//
// # Errors
//
// A frame that breaks these rules makes the reader return an error that says why; the
// connection is of no more use. Lengths are checked before memory is allocated.
package wire
