// Package evidence holds the contract everything else rests on: a fact is what
// one witness saw at one time, append-only and immutable. Files, the gateway
// and the API produce facts; matching, journeys and diagnosis are computed from
// facts alone, so the same set always gives the same answer.
//
// The parts: [Type] and the vocabularies name what can be said, [Field] is the
// one table of everything a fact may carry, [Fact] is its compact form, [Draft]
// builds and validates one, [Set] keeps them with the [Words] they share, and
// [View] is what was known at a moment.
package evidence
