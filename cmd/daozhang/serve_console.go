package main

import (
	"daozhang/internal/console"
	"daozhang/internal/diagnosis"
)

// consoleConfig is what `daozhang serve` is told about its web pages.
type consoleConfig struct {
	// Enabled serves them beside the API, on the same address.
	Enabled bool `koanf:"enabled"`
	// Title names the installation in the head of every page.
	Title string `koanf:"title"`
	// URL is how browsers reach the pages, as https://pay.example: it stands in the
	// links that people are sent. Where it begins with https the session's cookie is
	// for encrypted connections only.
	URL string `koanf:"url"`
}

// consoleSettings are the single values of the console with their defaults.
var consoleSettings = []setting{{"console.enabled", true}, {"console.title", ""}, {"console.url", ""}}

// consoleOptions is what the pages of this platform are made with, for `serve` and
// for `demo`: everything but who comes in and how. What a page needs beside the
// investigation is made in a file of its own, with one line here.
func (p *platform) consoleOptions() (console.Options, error) {
	catalogue, err := diagnosis.Load()
	if err != nil {
		return console.Options{}, err
	}
	return console.Options{Live: &p.live, Catalogue: catalogue, Title: p.c.Console.Title, Now: p.m.Now, Log: p.log}, nil
}
