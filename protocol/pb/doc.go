// Package pb is generated from fop.proto: the messages of the data protocol. Only
// protocol/wire imports it.
package pb

//go:generate protoc --go_out=. --go_opt=paths=source_relative fop.proto
