package sqlfile

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/spark"
)

// kafkaRules are the options of read_kafka by their names in lower case. Those that are nil are read before the others.
var kafkaRules = map[string]func(r *reading, a spark.Argument){
	"bootstrapservers": nil, "kafka.bootstrap.servers": nil, "subscribe": nil, "subscribepattern": nil,
	"startingoffsets": startingOffsets, "startingtimestamp": startingTimestamp, "includeheaders": includeHeaders,
	"kafka.security.protocol": text("security", "protocol"), "kafka.sasl.mechanism": text("security", "mechanism"),
	"kafka.sasl.jaas.config": jaas, "kafka.isolation.level": text("", "isolation"),
	"failondataloss":       failOnDataLoss,
	"maxoffsetspertrigger": without("a batch has as many records as trigger: {max_rows: …} of the pipeline says"),
	"minpartitions":        without("partitions are read side by side"), "groupidprefix": without("nothing is read from consumer groups"),
	"kafka.group.id":                           without("nothing is read from consumer groups"),
	"kafkaconsumer.polltimeoutms":              without("records are waited for as long as it takes"),
	"fetchoffset.numretries":                   without("brokers are asked until they answer"),
	"fetchoffset.retryintervalms":              without("brokers are asked until they answer"),
	"kafka.request.timeout.ms":                 without("brokers are asked until they answer"),
	"kafka.session.timeout.ms":                 without("nothing is read from consumer groups"),
	"kafka.sasl.kerberos.service.name":         refused("lakeflow has no Kerberos", "use SCRAM or PLAIN"),
	"kafka.ssl.truststore.location":            refused("certificates are in PEM files", tlsHelp),
	"kafka.ssl.truststore.password":            refused("certificates are in PEM files", tlsHelp),
	"kafka.ssl.keystore.location":              refused("certificates are in PEM files", tlsHelp),
	"kafka.ssl.keystore.password":              refused("certificates are in PEM files", tlsHelp),
	"kafka.ssl.key.password":                   refused("certificates are in PEM files", tlsHelp),
	"databricks.servicecredential":             refused("credentials of Databricks are not there", tlsHelp),
	"kafka.sasl.client.callback.handler.class": refused("classes of Java are not run", tlsHelp),
	"kafka.sasl.login.callback.handler.class":  refused("classes of Java are not run", tlsHelp),
	"assign":                     refused("topics are read whole", "write subscribe => 'topic'"),
	"endingoffsets":              refused("an update reads to the end of the topic", "filter by offset in the query"),
	"endingtimestamp":            refused("an update reads to the end of the topic", "filter by timestamp in the query"),
	"startingoffsetsbytimestamp": refused("a source begins at one time", "write startingTimestamp"),
	"kafka.ssl.endpoint.identification.algorithm": only("the names of brokers are always checked", "use certificates with the brokers' names", "https"),
}

const tlsHelp = "declare the source in pipeline.yaml, beside sql:, with kafka: {security: …}, and read it by its name"

// spelledKafka are the names as people write them, for suggestions.
var spelledKafka = []string{"bootstrapServers", "subscribe", "subscribePattern", "startingOffsets", "startingTimestamp", "includeHeaders", "failOnDataLoss",
	"maxOffsetsPerTrigger", "minPartitions", "groupIdPrefix", "kafka.security.protocol", "kafka.sasl.mechanism", "kafka.sasl.jaas.config", "kafka.group.id"}

// readKafka makes a source of read_kafka(…).
func (r *reading) readKafka() *readSource {
	before := len(*r.diags)
	slug, place := r.topics()
	if place == "" {
		return nil
	}
	r.brokers(place)
	for _, a := range r.args {
		rule, known := kafkaRules[optionName(a)]
		switch {
		case known && rule != nil:
			rule(r, a)
		case !known && strings.HasPrefix(optionName(a), "kafka."):
			r.ignore(a, "it is an option of Java's client")
		case !known:
			r.diags.Errorf("LF0571", a.Range, diag.DidYouMean(a.Name, spelledKafka, "see the options of read_kafka in the documentation"), "read_kafka has no option %s", a.Name)
		}
	}
	if !r.has("", "row") {
		r.set("", "row", "record", r.call.Range)
	}
	if !r.has("", "start") && len(r.options["start"]) == 0 && r.call.Stream {
		r.set("", "start", "latest", r.call.Range) // as on Databricks
	}
	if !diag.List((*r.diags)[before:]).HasErrors() {
		r.connect("kafka")
	} else {
		r.source.Flawed = true
	}
	return &readSource{Source: r.source, slug: slug + "_topic", place: place}
}

// topics says which topics are read, and gives a name made of them.
func (r *reading) topics() (slug, place string) {
	subscribe, named := r.arg("subscribe")
	like, matched := r.arg("subscribepattern")
	switch {
	case named && matched:
		r.wrong(like, "remove it, or subscribe")
	case matched:
		r.set("", "topic_pattern", like.Value, like.Range)
		return slugOf(like.Value), like.Value
	case named:
		names := strings.FieldsFunc(subscribe.Value, func(c rune) bool { return c == ',' || c == ' ' })
		if len(names) == 0 {
			r.wrong(subscribe, "write the name of a topic")
			return "", ""
		}
		if len(names) == 1 {
			r.set("", "topic", names[0], subscribe.Range)
		} else {
			r.set("", "topics", names, subscribe.Range)
		}
		return slugOf(strings.Join(names, "_")), strings.Join(names, ",")
	default:
		if a, ok := r.arg("assign"); ok {
			kafkaRules["assign"](r, a)
			return "", ""
		}
		r.diags.Errorf("LF0577", r.call.Range, "write subscribe => 'topic'", "read_kafka does not say which topic it reads")
	}
	return "", ""
}

// brokers says how the topics are reached: as the overlay says, else as the call does.
func (r *reading) brokers(place string) {
	for _, topic := range strings.Split(place, ",") {
		if to := r.opts.Brokers[topic]; len(to) > 0 {
			r.set("", "brokers", to, r.call.Range)
			return
		}
	}
	if a, ok := r.arg("bootstrapservers", "kafka.bootstrap.servers"); ok {
		r.set("", "brokers", strings.FieldsFunc(a.Value, func(c rune) bool { return c == ',' || c == ' ' }), a.Range)
		return
	}
	if !r.readers.unmapped["topic "+place] {
		r.readers.note("topic " + place)
		r.diags.Errorf("LF0580", r.call.Range, "write bootstrapServers => 'host:9092', or in lakeflow.yaml topics: {"+quoted(place)+": ['localhost:9092']}",
			"the brokers of the topic %s are not known", place)
	}
	r.source.Flawed = true
}

func refused(why, help string) func(*reading, spark.Argument) {
	return func(r *reading, a spark.Argument) { r.refuseOption(a, help, why) }
}

// startingOffsets is earliest, latest, or JSON: {"topic":{"0":5}}, in which -2 is the first record.
func startingOffsets(r *reading, a spark.Argument) {
	word := strings.ToLower(a.Value)
	if word == "earliest" || word == "latest" {
		r.set("", "start", word, a.Range)
		return
	}
	var offsets map[string]map[string]int64
	if json.Unmarshal([]byte(a.Value), &offsets) != nil || len(offsets) == 0 {
		r.wrong(a, `write earliest, latest or {"topic":{"0":5}}`)
		return
	}
	var topics []option.Entry
	for _, topic := range slices.Sorted(maps.Keys(offsets)) {
		var partitions []option.Entry
		for _, p := range slices.Sorted(maps.Keys(offsets[topic])) {
			n := offsets[topic][p]
			switch {
			case n == -1:
				r.refuseOption(a, "write latest for all partitions, or a number", "a partition begins at a record that is there")
				return
			case n < 0:
				n = 0
			}
			partitions = append(partitions, option.Entry{Key: p, At: a.Range, Value: value(n, a.Range)})
		}
		topics = append(topics, option.Entry{Key: topic, At: a.Range, Value: value(partitions, a.Range)})
	}
	r.set("start", "offsets", topics, a.Range)
}

// startingTimestamp is in milliseconds since 1970.
func startingTimestamp(r *reading, a spark.Argument) {
	n, err := strconv.ParseInt(strings.TrimSpace(a.Value), 10, 64)
	if err != nil {
		r.wrong(a, "write milliseconds since 1970")
		return
	}
	r.set("start", "timestamp", time.UnixMilli(n).UTC().Format(time.RFC3339Nano), a.Range)
}

func includeHeaders(r *reading, a spark.Argument) {
	if with, ok := r.bool(a); ok && with {
		r.set("", "row", "record_and_headers", a.Range)
	}
}

func failOnDataLoss(r *reading, a spark.Argument) {
	if fails, ok := r.bool(a); ok && !fails {
		r.ignore(a, "an update stops where records are lost, and goes on with --accept-gap")
	}
}

var credentials = regexp.MustCompile(`(?i)\b(username|password)\s*=\s*(?:"([^"]*)"|'([^']*)')`)

// jaas takes name and password out of the configuration of Java's client.
func jaas(r *reading, a spark.Argument) {
	found := credentials.FindAllStringSubmatch(a.Value, -1)
	if len(found) != 2 || strings.EqualFold(found[0][1], found[1][1]) {
		r.refuseOption(a, tlsHelp, "only a username and a password are read from it")
		return
	}
	for _, m := range found {
		r.set("security", strings.ToLower(m[1]), m[2]+m[3], a.Range)
	}
}
