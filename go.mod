module github.com/gofs/gofs

go 1.26
