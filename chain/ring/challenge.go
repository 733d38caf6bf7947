package ring

// verify recomputes the challenges of s and reports whether the last equals the
// first: for every member i,
//
//	L = s_i*G + c_i*P_i    R = s_i*H_p(P_i) + c_i*I    c_(i+1) = H(msg, L, R)
//
// which is RingSig.Verify of ring-go. The caller has checked the sizes and that
// the members are in the expected ring.
func (c *pointCache) verify(msg [32]byte, s signature) error {
	image, hotImage, err := c.image(s.image())
	if err != nil {
		return err
	}
	first, _ := scalarOf(s.challenge())
	challenge := first
	for i := range s.members() {
		member, hotMember, err := c.member(s.key(i))
		if err != nil {
			return err
		}
		response, _ := scalarOf(s.response(i))
		var l, r sum
		c.commitL(&l, member, hotMember, &response, &challenge)
		commitR(&r, member, hotMember, image, hotImage, &response, &challenge)
		var ok bool
		if challenge, ok = nextChallenge(msg, &l, &r); !ok {
			return ErrInvalid
		}
	}
	if challenge != first {
		return ErrInvalid
	}
	c.keepImage(s.image(), image)
	return nil
}

// commitL computes response*G + challenge*P.
func (c *pointCache) commitL(l *sum, member *knownPoint, hot *hotPoint, response, challenge *scalar) {
	c.generator.addTo(l, response)
	if hot != nil {
		hot.point.addTo(l, challenge)
		return
	}
	var terms [1]term
	terms[0].set(member.pointOdds, challenge)
	straus(l, terms[:])
}

// commitR computes response*H_p(P) + challenge*I.
func commitR(r *sum, member *knownPoint, hot *hotPoint, image *knownPoint, hotImage *hotPoint, response, challenge *scalar) {
	var terms [2]term
	n := 0
	if hot != nil {
		hot.hash.addTo(r, response)
	} else {
		terms[n].set(member.hashOdds, response)
		n++
	}
	if hotImage != nil {
		hotImage.point.addTo(r, challenge)
	} else {
		terms[n].set(image.pointOdds, challenge)
		n++
	}
	if n > 0 {
		straus(r, terms[:n])
	}
}

// nextChallenge hashes the message and the two commitments.
func nextChallenge(msg [32]byte, l, r *sum) (scalar, bool) {
	var in [32 + 2*pointLen]byte
	copy(in[:], msg[:])
	encodePair(l, r, in[32:32+pointLen], in[32+pointLen:])
	return hashToScalar(in[:])
}
