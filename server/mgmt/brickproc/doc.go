// Package brickproc runs the brick processes of one node: it drives them towards a
// list of the bricks that should run, restarts those that die, with backoff, and finds
// those again that an earlier daemon started.
//
// A brick is found by its pid file, which the process keeps locked for as long as it
// lives: a locked file is a live brick and an unlocked one is a dead brick, whatever
// number is in it. What a brick is doing it says itself on its admin socket.
//
// Bricks do not belong to the daemon: Close leaves them running.
package brickproc
