package broker

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
)

// System is the name that pipeline files have for Kafka.
const System = "kafka"

var brokerAddress = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\])(?::([0-9]{1,5}))?$`)

func isAddress(s string) bool {
	m := brokerAddress.FindStringSubmatch(s)
	if m == nil || m[2] == "" {
		return m != nil
	}
	port, err := strconv.ParseUint(m[2], 10, 16)
	return err == nil && port > 0
}

// Addresses gives the addresses of brokers. One text may hold several, so that they can come from one environment
// variable.
func Addresses(given []option.Text) []string {
	var out []string
	for _, x := range given {
		for address := range strings.SplitSeq(x.Text, ",") {
			out = append(out, strings.TrimSpace(address))
		}
	}
	return out
}

// CheckAddresses reports what is wrong with the addresses under the key brokers.
func CheckAddresses(given []option.Text, in option.Node, diags *diag.List) {
	for _, x := range given {
		for _, address := range Addresses([]option.Text{x}) {
			if !isAddress(address) {
				diags.Errorf("LF0156", x.At, "write host:port, as in localhost:9092", "%q is not the address of a broker", address)
			}
		}
	}
	if in.Read("brokers") && len(given) == 0 {
		diags.Errorf("LF0114", in.At("brokers"), "write the address of a broker: [localhost:9092]", "the list of brokers is empty")
	}
}
