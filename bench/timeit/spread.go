package main

import "slices"

// spread gives the smallest, the middle and the largest of one or more values; of an even number the
// middle is the mean of the two.
func spread(values []float64) (low, middle, high float64) {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return sorted[0], (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[n-1]
}
