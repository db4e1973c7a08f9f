package main

import (
	"slices"
	"strings"
)

// tokens returns the keywords and placeholders (without <>) that a command's pattern
// allows as argument number n: for the first those of its beginning, for others what
// comes after. A pattern says more than this; it is made for people.
func tokens(pattern string, n int) (out []string) {
	for i, g := range split(pattern) {
		optional := strings.HasPrefix(g, "[")
		switch {
		case n == 0:
			out = append(out, words(g)...)
			if !optional {
				return out
			}
		case i > 0:
			out = append(out, words(g)...)
		case optional: // [all | <VOLNAME> [<BRICK>]]
			out = append(out, slices.DeleteFunc(words(g), func(t string) bool { return t == "all" || t == "VOLNAME" })...)
		}
	}
	return out
}

// split cuts a pattern at the blanks that are in no bracket.
func split(pattern string) (out []string) {
	depth, from := 0, 0
	for i := 0; i <= len(pattern); i++ {
		switch {
		case i == len(pattern) || depth == 0 && pattern[i] == ' ':
			if from < i {
				out = append(out, pattern[from:i])
			}
			from = i + 1
		case strings.IndexByte("[{<", pattern[i]) >= 0:
			depth++
		case strings.IndexByte("]}>", pattern[i]) >= 0:
			depth--
		}
	}
	return out
}

// words are what stands between a pattern's signs.
func words(pattern string) []string {
	return strings.FieldsFunc(strings.ReplaceAll(pattern, "...", " "), func(r rune) bool { return strings.ContainsRune("[]{}<>| ,", r) })
}

// isKeyword tells whether a token stands for itself.
func isKeyword(token string) bool {
	switch token {
	case "key", "option", "daemon", "brick", "basename", "range", "count", "size", "path", "value", "filename":
		return false
	}
	return strings.Trim(token, "abcdefghijklmnopqrstuvwxyz-") == ""
}
