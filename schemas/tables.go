package schemas

import "strings"

// EventLog returns the columns of the event_log table, without field ids. Event is one row.
func EventLog() Table {
	return Table{
		text("id"),
		structure("sequence",
			structure("data_plane_id", text("instance"), column("seq_no", BigInt)),
			column("control_plane_seq_no", BigInt)),
		structure("origin", text("cloud"), text("region"), text("org_id"), text("pipeline_id"), text("pipeline_type"), text("pipeline_name"),
			text("cluster_id"), text("update_id"), text("table_name"), text("dataset_name"), text("sink_name"), text("flow_id"), text("flow_name"),
			column("batch_id", BigInt), text("request_id"), text("host")),
		column("timestamp", TimestampTZ),
		text("message"),
		text("level"),
		text("maturity_level"),
		structure("error",
			column("fatal", Boolean),
			list(structure("exceptions", text("class_name"), text("message"),
				list(structure("stack", text("declaring_class"), text("method_name"), text("file_name"), column("line_number", BigInt)))))),
		text("details"),
		text("event_type"),
	}
}

// DeadLetter returns the columns of the dead-letter table, without field ids: one row for every row that was dropped
// and every record that could not be read.
func DeadLetter() Table {
	return Table{
		text("id"),
		text("pipeline"),
		text("table"),
		text("flow"),
		text("update_id"),
		column("commit", BigInt),
		list(structure("violated", text("name"), text("expression"), text("action"))),
		text("error"),
		documented("row", Varchar, "the row as JSON"),
		documented("raw", Blob, "the record as it was found, where it could not be read or is known"),
		documented("source", Varchar, "name of the source"),
		text("file"),
		column("line", BigInt),
		documented("offset", BigInt, "byte offset of the record in its file, or Kafka offset"),
		documented("partition", Integer, "Kafka partition"),
		column("first_seen", TimestampTZ),
		documented("rule_set_hash", Varchar, "of the expectations that were applied"),
		documented("status", Varchar, "open; failed_update: one of the rows that stopped an update"),
	}
}

// Hidden reports whether a table is lakeflow's own and is shown to nobody who does not name it. Names of users do not
// begin with two underscores.
func Hidden(table string) bool {
	_, name := SplitName(table)
	return strings.HasPrefix(name, "__")
}

// The hidden tables in which others keep what they must remember beside their rows begin with these.
const (
	changesPrefix = "__cdc_"   // of tables to which changes are applied by key
	statePrefix   = "__state_" // of materialized views
)

// ChangesState names the hidden table of one to which changes are applied by key, ViewState that of a materialized view.
// Each is in the schema of its table.
func ChangesState(table string) string { return hidden(changesPrefix, table) }
func ViewState(table string) string    { return hidden(statePrefix, table) }

func hidden(prefix, table string) string {
	schema, name := SplitName(table)
	return JoinName(schema, prefix+name)
}

// Owner is the table that a hidden one belongs to; of another table, the table itself.
func Owner(table string) string {
	schema, name := SplitName(table)
	return JoinName(schema, strings.TrimPrefix(strings.TrimPrefix(name, changesPrefix), statePrefix))
}

// DeadLetterPartition returns the partition spec of the dead-letter table: one partition per table.
func DeadLetterPartition() []PartitionField {
	return []PartitionField{{Column: "table", Transform: "identity", Name: "table"}}
}

func column(name string, kind Kind) Column { return Column{Name: name, Type: Type{Kind: kind}} }

func text(name string) Column { return column(name, Varchar) }

func documented(name string, kind Kind, doc string) Column {
	return Column{Name: name, Type: Type{Kind: kind}, Doc: doc}
}

func structure(name string, fields ...Column) Column {
	return Column{Name: name, Type: Type{Kind: Struct, Fields: fields}}
}

// list makes a column a list of what it was.
func list(c Column) Column {
	elem := c.Type
	c.Type = Type{Kind: List, Elem: &elem}
	return c
}
