package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gofs/gofs/protocol/mgmt"
)

// xmlText builds a <cliOutput> in GlusterFS's layout.
type xmlText struct {
	b     strings.Builder
	depth int
}

// newXML begins an answer: that of success, or of err.
func newXML(err error) *xmlText {
	if err != nil {
		return newXMLCode(-1, mgmt.ErrorCode(err), err.Error())
	}
	return newXMLCode(0, 0, "")
}

// newXMLCode begins an answer with these codes.
func newXMLCode(ret, errno int, text string) *xmlText {
	x := &xmlText{}
	x.b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n")
	x.open("cliOutput")
	x.leaf("opRet", ret)
	x.leaf("opErrno", errno)
	x.leaf("opErrstr", text)
	return x
}

func (x *xmlText) line(s string) {
	x.b.WriteString(strings.Repeat("  ", x.depth) + s + "\n")
}

func (x *xmlText) open(name string) {
	x.line("<" + name + ">")
	x.depth++
}

func (x *xmlText) close(name string) {
	x.depth--
	x.line("</" + name + ">")
}

// leaf adds an element with a text, or an empty one.
func (x *xmlText) leaf(name string, value any) {
	text := escape(fmt.Sprint(value))
	if text == "" {
		x.line("<" + name + "/>")
		return
	}
	x.line("<" + name + ">" + text + "</" + name + ">")
}

// print ends the answer and writes it.
func (x *xmlText) print(w io.Writer) error {
	x.close("cliOutput")
	_, err := io.WriteString(w, x.b.String())
	return err
}

func escape(s string) string {
	var b strings.Builder
	if xml.EscapeText(&b, []byte(s)) != nil {
		return "" // a Builder does not fail
	}
	return strings.NewReplacer("&#xA;", "\n", "&#x9;", "\t", "&#34;", `"`, "&#39;", "'").Replace(b.String())
}

// printXMLError answers a refused command. The exit status is 0, as in GlusterFS.
func (c *cli) printXMLError(err error) error { return newXML(err).print(c.stdout) }

// printJSON answers in JSON: GlusterFS has no such form; result is the daemon's answer.
func (c *cli) printJSON(result any, err error) error {
	out := struct {
		OpRet    int    `json:"opRet"`
		OpErrno  int    `json:"opErrno"`
		OpErrstr string `json:"opErrstr"`
		Result   any    `json:"result,omitempty"`
	}{Result: result}
	if err != nil {
		out.OpRet, out.OpErrno, out.OpErrstr, out.Result = -1, mgmt.ErrorCode(err), err.Error(), nil
	}
	e := json.NewEncoder(c.stdout)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		return errors.Join(errors.New("cannot print JSON"), err)
	}
	if err != nil {
		return failure{1}
	}
	return nil
}
