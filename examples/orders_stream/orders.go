package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// order is what the shop sends.
type order struct {
	ID        int64     `json:"order_id"`
	OrderedAt time.Time `json:"ordered_at"`
	Customer  *string   `json:"customer"`
	Country   string    `json:"country"`
	Items     []item    `json:"items"`
	Total     any       `json:"total"` // a number, unless it is misspelled
}

type item struct {
	SKU      string  `json:"sku"`
	Quantity int     `json:"quantity"`
	Price    float64 `json:"price"`
}

// prices are in cents.
var prices = []struct {
	sku   string
	cents int
}{{"kettle", 3490}, {"teapot", 2850}, {"cup", 690}, {"green tea", 825}, {"filter", 199}}

var countries = []string{"DE", "FR", "GB", "JP", "US"}

// What is wrong with an order: one thing, or nothing.
const (
	fine       = ""
	late       = "late"                     // breaks a warn rule: kept, and counted
	nobody     = "without a customer"       // likewise
	refund     = "with a total below zero"  // breaks a drop rule: becomes a dead letter
	elsewhere  = "from an unknown country"  // likewise
	cut        = "cut off in the middle"    // cannot be read: becomes a dead letter
	misspelled = "whose total is no number" // likewise
)

// newOrder makes the record of an order. What is in it depends on the id only, apart from the time.
func newOrder(id int64, now time.Time) (record *kgo.Record, fault string) {
	r := rand.New(rand.NewPCG(uint64(id), 1))
	customer := fmt.Sprintf("c%04d", r.IntN(5000))
	o := order{ID: id, OrderedAt: now.UTC().Truncate(time.Microsecond), Customer: &customer, Country: countries[r.IntN(len(countries))]}
	cents := 0
	for range 1 + r.IntN(3) {
		p, n := prices[r.IntN(len(prices))], 1+r.IntN(3)
		o.Items = append(o.Items, item{p.sku, n, float64(p.cents) / 100})
		cents += n * p.cents
	}
	o.Total = float64(cents) / 100
	switch n := r.IntN(100); {
	case n < 3:
		fault, o.OrderedAt = late, o.OrderedAt.Add(-time.Duration(15+r.IntN(60))*time.Minute)
	case n < 5:
		fault, o.Customer = nobody, nil
	case n < 7:
		fault, o.Total = refund, -float64(cents)/100
	case n < 8:
		fault, o.Country = elsewhere, "XX"
	case n < 9:
		fault, o.Total = misspelled, "a lot"
	case n < 10:
		fault = cut
	}
	value, err := json.Marshal(o)
	if err != nil {
		panic(err) // every order has a text
	}
	if fault == cut {
		value = value[:len(value)/2]
	}
	return &kgo.Record{Topic: topic, Key: []byte(customer), Value: value, Timestamp: now}, fault
}
