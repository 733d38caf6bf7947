package raftfsm

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func heldBy(nodes ...string) (held []Holding) {
	for _, node := range nodes {
		held = append(held, Holding{Node: node, Epoch: epoch1})
	}
	return held
}

func TestBalance(t *testing.T) {
	leader := heldBy("a", "a", "a", "a", "a")
	for name, row := range map[string]struct {
		held []Holding
		fit  []string
		want []Move
	}{
		"nobody is fit":          {leader, nil, nil},
		"only the holder is":     {leader, []string{"a"}, nil},
		"spread over three":      {leader, []string{"a", "b", "c"}, []Move{{2, "b"}, {3, "b"}, {4, "c"}}},
		"even already":           {heldBy("a", "b", "c", "b", "a"), []string{"a", "b", "c"}, nil},
		"even with another odd":  {heldBy("a", "b", "c", "b", "c"), []string{"a", "b", "c"}, nil},
		"one is lost":            {heldBy("a", "b", "c", "b", "a"), []string{"a", "c"}, []Move{{1, "a"}, {3, "c"}}},
		"all to one":             {heldBy("a", "b", "c", "b", "a"), []string{"c"}, []Move{{0, "c"}, {1, "c"}, {3, "c"}, {4, "c"}}},
		"more nodes than pieces": {heldBy("a", "a"), []string{"a", "b", "c"}, []Move{{1, "b"}}},
	} {
		if got := balance(row.held, row.fit); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %v, want %v", name, got, row.want)
		}
	}
}

// Whoever holds what and whoever is fit: all partitions end with fit nodes, evenly,
// no other even spread takes fewer moves, and the order of the nodes is no matter.
func TestBalanceIsEvenAndMovesLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		node := rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("m%d", rapid.IntRange(1, 6).Draw(t, "id")) })
		held := heldBy(rapid.SliceOfN(node, 1, 24).Draw(t, "held")...)
		fit := rapid.SliceOfNDistinct(node, 1, 6, rapid.ID).Draw(t, "fit")
		moves := balance(held, fit)
		after := slices.Clone(held)
		for _, m := range moves {
			if after[m.Partition].Node == m.Node {
				t.Fatalf("partition %d moves to where it is", m.Partition)
			}
			after[m.Partition].Node = m.Node
		}
		counts := make(map[string]int)
		for _, id := range fit {
			counts[id] = 0
		}
		for n, h := range after {
			if !slices.Contains(fit, h.Node) {
				t.Fatalf("partition %d is left with %s", n, h.Node)
			}
			counts[h.Node]++
		}
		least, most := slices.Min(slices.Collect(maps.Values(counts))), slices.Max(slices.Collect(maps.Values(counts)))
		if most-least > 1 {
			t.Fatalf("uneven: %v", counts)
		}
		if want := fewestMoves(held, fit); len(moves) != want {
			t.Fatalf("%d moves, %d would do: %v", len(moves), want, moves)
		}
		slices.Reverse(fit)
		if again := balance(held, fit); !slices.Equal(again, moves) {
			t.Fatalf("other moves for another order: %v and %v", moves, again)
		}
		if rest := balance(after, fit); len(rest) != 0 {
			t.Fatalf("moves are left after the moves: %v", rest)
		}
	})
}

// fewestMoves tries every choice of the nodes that get one partition more.
func fewestMoves(held []Holding, fit []string) int {
	least := len(held)
	for choice := range 1 << len(fit) {
		kept, extra := 0, 0
		for i, id := range fit {
			quota := len(held) / len(fit)
			if choice&(1<<i) != 0 {
				quota++
				extra++
			}
			has := 0
			for _, h := range held {
				if h.Node == id {
					has++
				}
			}
			kept += min(has, quota)
		}
		if extra == len(held)%len(fit) {
			least = min(least, len(held)-kept)
		}
	}
	return least
}
