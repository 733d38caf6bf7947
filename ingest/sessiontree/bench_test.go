package sessiontree

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"crypto/sha256"

	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"
)

// BenchmarkGrow adds relays of 940 bytes to a tree of 10,000, by relays a flush.
func BenchmarkGrow(b *testing.B) {
	for _, batch := range []int{16, 128, 512, 4096} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			tree, n := New(nil), 0
			grow := func(count int) {
				for range count {
					body := bytes.Repeat([]byte{1}, 940)
					binary.BigEndian.PutUint64(body, uint64(n))
					n++
					if _, err := tree.Add(Path(body), body, 1); err != nil {
						b.Fatal(err)
					}
				}
				delta, err := tree.Commit()
				if err != nil {
					b.Fatal(err)
				}
				tree.Settle(delta)
			}
			grow(10_000)
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += batch {
				grow(min(batch, b.N-done))
			}
		})
	}
}

// BenchmarkPlainTrie is smt itself over a map, for comparison.
func BenchmarkPlainTrie(b *testing.B) {
	for _, batch := range []int{128, 512} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			trie, n := smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(), smt.WithValueHasher(nil)), 0
			grow := func(count int) {
				for range count {
					body := bytes.Repeat([]byte{1}, 940)
					binary.BigEndian.PutUint64(body, uint64(n))
					n++
					key := sha256.Sum256(body)
					if err := trie.Update(key[:], body, 1); err != nil {
						b.Fatal(err)
					}
				}
				if err := trie.Commit(); err != nil {
					b.Fatal(err)
				}
			}
			grow(10_000)
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += batch {
				grow(min(batch, b.N-done))
			}
		})
	}
}
