package notify

// Attempts is how often a delivery is tried before it has failed.
func Attempts() int { return len(schedule) + 1 }
