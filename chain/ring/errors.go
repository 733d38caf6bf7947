package ring

import "errors"

// Why a signature was refused. All of them mean that the relay must not be
// served; they are told apart for logs and metrics.
var (
	// ErrMalformed is a signature whose size, scalars or points cannot be read.
	ErrMalformed = errors.New("malformed ring signature")
	// ErrForeignMember is a signature over a key that the application's ring
	// does not hold, or over more members than the ring has.
	ErrForeignMember = errors.New("ring signature does not match the application's ring")
	// ErrInvalid is a well-formed signature of the right ring that does not
	// sign the message.
	ErrInvalid = errors.New("ring signature is not valid for the request")
)
