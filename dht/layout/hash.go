// Package layout is the pure part of distribution: the hash of a name, which
// subvolume owns which hash range, and how ranges are dealt out to a new directory.
//
// Bytes and results are GlusterFS's: either implementation finds the other's files.
package layout

import "encoding/binary"

// Hash is GlusterFS's 32-bit name hash: Davies-Meyer over a TEA-like block function.
// Trailing bytes of the last partial word are sign-extended, as C's char is on x86;
// names with bytes from 0x80 up hash accordingly.
func Hash(name string) uint32 {
	h0, h1 := uint32(0x9464a485), uint32(0x542e1a94)
	b := []byte(name)
	for ; len(b) >= 16; b = b[16:] {
		k := [4]uint32{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]),
			binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])}
		h0, h1 = mix(6, h0, h1, &k)
	}
	n := uint32(len(name))
	pad := n | n<<8
	pad |= pad << 16
	var k [4]uint32
	w := len(b) / 4
	for j := range w {
		k[j] = binary.LittleEndian.Uint32(b[4*j:])
	}
	for j := w; j < 4; j++ {
		k[j] = pad
	}
	for _, c := range b[4*w:] {
		k[w] = k[w]<<8 | uint32(int32(int8(c)))
	}
	h0, h1 = mix(10, h0, h1, &k)
	return h0 ^ h1
}

func mix(rounds int, h0, h1 uint32, k *[4]uint32) (uint32, uint32) {
	a, b, s := h0, h1, uint32(0)
	for range rounds {
		s += 0x9e3779b9
		a += ((b << 4) + k[0]) ^ (b + s) ^ ((b >> 5) + k[1])
		b += ((a << 4) + k[2]) ^ (a + s) ^ ((a >> 5) + k[3])
	}
	return h0 + a, h1 + b
}
