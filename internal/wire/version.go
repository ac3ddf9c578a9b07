package wire

// MaxClientVersion is MaxGeneratedVersion of package client. It is here for the
// generator, which would link what that package is made of.
const MaxClientVersion = 1
