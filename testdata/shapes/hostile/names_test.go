//lint:file-ignore U1000 What is not used is in the way.

package hostile

import options2 "testing"

// A test has names of its own.
var r2, options3, typeHandlers2 options2.T

func (*Map) startIndex() {}
