package sessiontree

// Encodings of smt v0.14.1 (node_encoders.go), sum tries over SHA-256:
//
//	leaf       0 | path 32 | value | sum 8 | count 8
//	inner      1 | left 48 | right 48 | sum 8 | count 8
//	extension  2 | from 1 | to 1 | path 32 | child 48 | sum 8 | count 8
const (
	kindLeaf, kindInner, kindExtension = 0, 1, 2

	pathSize   = 32
	digestSize = 48
	innerSize  = 1 + 2*digestSize + 16
	extSize    = 1 + 2 + pathSize + digestSize + 16
	leafStub   = 1 + pathSize + 1
)

var emptyDigest [digestSize]byte

func validNode(node []byte) bool {
	if len(node) == 0 {
		return false
	}
	switch node[0] {
	case kindLeaf:
		return len(node) >= leafStub
	case kindInner:
		return len(node) == innerSize
	case kindExtension:
		return len(node) == extSize && node[1] < node[2]
	}
	return false
}

func bit(path []byte, depth int) int {
	return int(path[depth/8]>>(7-depth%8)) & 1
}

// extensionCovers reports whether path runs along the whole extension.
func extensionCovers(ext, path []byte) bool {
	for depth := int(ext[1]); depth < int(ext[2]); depth++ {
		if bit(ext[3:3+pathSize], depth) != bit(path, depth) {
			return false
		}
	}
	return true
}
