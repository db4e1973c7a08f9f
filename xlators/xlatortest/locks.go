package xlatortest

var lockTests = []test{}
