package gen

// Rename and Remove are what Write changes the disk with, for tests in which it
// fails.
var Rename, Remove = &rename, &remove
