package raftfsm

// datedSince is the command set in which commands tell heights, times, worth and losses
// for the ledger. Most came with 5, Seal.Lost with 6, Transition.Lost with 7, and
// Seal.Instead, which is no figure but passed over likewise, with 8.
const datedSince = 8

// dated is a command with fields that builds before datedSince pass over. They would
// not be in those builds' states, so they are left out until every member knows them.
type dated interface{ undated() Command }

func (c Checkpoint) undated() Command {
	c.Height = 0
	return c
}

func (c Seal) undated() Command {
	c.Height, c.Worth, c.Lost, c.Instead = 0, 0, 0, nil
	return c
}

func (c Intend) undated() Command {
	c.Intent.IntendedHeight = 0
	return c
}

func (c Advance) undated() Command {
	transitions := make([]Transition, len(c.Transitions))
	for n, t := range c.Transitions {
		t.Time, t.Worth, t.Lost = 0, 0, 0
		transitions[n] = t
	}
	c.Transitions = transitions
	return c
}
