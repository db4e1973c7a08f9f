package mgmt

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// formatUUID prints a UUID in its canonical form.
func formatUUID(b [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// parseUUID reads a canonical UUID.
func parseUUID(s string) (b [16]byte, ok bool) {
	raw, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(raw) != len(b) {
		return b, false
	}
	copy(b[:], raw)
	return b, formatUUID(b) == strings.ToLower(s)
}

func validUUID(s string) bool {
	_, ok := parseUUID(s)
	return ok
}
