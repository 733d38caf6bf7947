// Package adminpb is the wire form of the admin API of a miner.
package adminpb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative admin.proto inspect.proto peer.proto
