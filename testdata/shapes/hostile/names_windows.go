package hostile

// Another system has names of its own.
var (
	opts2  = 2
	input2 = opts2
	ctx2   = input2
)
