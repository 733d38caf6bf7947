package raftfsm

import (
	"cmp"
	"slices"
)

// balance is what has to move for the partitions to be spread evenly over the nodes
// that are fit: no two of them differ by more than one, and no plan with that end
// moves fewer. It depends on nothing but its arguments. With nobody fit everything
// stays where it is.
func balance(held []Holding, fit []string) (moves []Move) {
	if len(fit) == 0 {
		return nil
	}
	count := make(map[string]int, len(fit))
	for _, node := range fit {
		count[node] = 0
	}
	for _, h := range held {
		if _, ok := count[h.Node]; ok {
			count[h.Node]++
		}
	}
	// Those that hold most keep the odd ones.
	order := slices.SortedFunc(slices.Values(fit), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	room := make(map[string]int, len(fit))
	for i, node := range order {
		room[node] = len(held) / len(fit)
		if i < len(held)%len(fit) {
			room[node]++
		}
	}
	var free []int
	for n, h := range held {
		if room[h.Node] > 0 {
			room[h.Node]--
			continue
		}
		free = append(free, n)
	}
	for _, n := range free {
		// To the one with most room, the first of them if there are several.
		slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(room[b], room[a]) })
		moves = append(moves, Move{Partition: n, Node: order[0]})
		room[order[0]]--
	}
	return moves
}
