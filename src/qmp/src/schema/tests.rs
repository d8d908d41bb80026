//! A small schema of every kind of type, walked and checked.

use serde_json::json;

use super::*;

fn text() -> String {
    Schema::text_of(&json!([
        {"name": "blockdev-add", "meta-type": "command", "arg-type": "1", "ret-type": "0"},
        {"name": "device_add", "meta-type": "command", "arg-type": "9", "ret-type": "0"},
        {"name": "old", "meta-type": "command", "arg-type": "0", "ret-type": "[int]",
            "features": ["deprecated"]},
        {"name": "STOP", "meta-type": "event", "arg-type": "0"},
        {"name": "0", "meta-type": "object", "members": []},
        {"name": "1", "meta-type": "object", "tag": "driver",
            "members": [{"name": "driver", "type": "2"},
                {"name": "read-only", "type": "bool", "default": null}],
            "variants": [{"case": "file", "type": "3"}, {"case": "raw", "type": "4"},
                {"case": "null-co", "type": "0"}]},
        {"name": "2", "meta-type": "enum", "values": ["file", "raw", "null-co"]},
        {"name": "3", "meta-type": "object", "features": ["dynamic-auto-read-only"], "members": [
            {"name": "filename", "type": "str"},
            {"name": "aio", "type": "5", "default": null},
            {"name": "locking", "type": "bool", "default": null, "features": ["deprecated"]},
            {"name": "sizes", "type": "[int]", "default": null}]},
        {"name": "4", "meta-type": "object", "members": [{"name": "file", "type": "6"}]},
        {"name": "5", "meta-type": "enum", "values": ["threads"], "members": [
            {"name": "threads"}, {"name": "io_uring"},
            {"name": "native", "features": ["deprecated"]}]},
        {"name": "6", "meta-type": "alternate", "members": [{"type": "1"}, {"type": "str"}]},
        {"name": "9", "meta-type": "object", "members": [{"name": "driver", "type": "str"}]},
        {"name": "[int]", "meta-type": "array", "element-type": "int"},
        {"name": "int", "meta-type": "builtin", "json-type": "int"},
        {"name": "bool", "meta-type": "builtin", "json-type": "boolean"},
        {"name": "str", "meta-type": "builtin", "json-type": "string"}
    ]))
    .unwrap()
}

#[track_caller]
fn check(command: &str, arguments: Value, expected: &[&str]) {
    let text = text();
    let findings = Schema::from_text(&text).check(command, &arguments);
    let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn types_are_reached_by_walking() {
    let text = text();
    let schema = Schema::from_text(&text);
    let options = schema.command("blockdev-add").unwrap().arguments().unwrap();
    let file = options.variant("file").unwrap();

    assert!(file.member("aio").unwrap().has_value("io_uring"));
    assert!(!file.member("aio").unwrap().has_value("posix"));
    assert!(file.has_feature("dynamic-auto-read-only"));
    assert!(file.member("sizes").unwrap().element().is_some());
    assert!(file.member("driver").is_none());
    assert!(schema.command("old").unwrap().has_feature("deprecated"));
    assert!(schema.command("new").is_none());
    assert!(schema.event("STOP").is_some());
    assert!(schema.event("old").is_none());
    assert_eq!(schema.commands().collect::<Vec<_>>(), ["blockdev-add", "device_add", "old"]);
}

#[test]
fn what_fits_has_no_findings() {
    check("blockdev-add", json!({"driver": "null-co"}), &[]);
    check("blockdev-add", json!({"driver": "raw", "file": "node"}), &[]);
    let file = json!({"driver": "file", "filename": "a", "aio": "threads", "sizes": [1, 2]});
    check("blockdev-add", json!({"driver": "raw", "read-only": true, "file": file}), &[]);
    check("device_add", json!({"driver": "nvme", "serial": "not in the schema"}), &[]);
}

#[test]
fn each_problem_is_named_with_its_place() {
    check("new", json!({}), &["new: this QEMU does not have the command"]);
    check("blockdev-add", Value::Null, &["blockdev-add.driver: it is missing"]);
    check("blockdev-add", json!([]), &["blockdev-add: an object expected, not an array"]);
    check(
        "blockdev-add",
        json!({"driver": "nbd"}),
        &["blockdev-add.driver: 'nbd' is not one of: file, raw, null-co"],
    );
    check(
        "blockdev-add",
        json!({"driver": "null-co", "filename": "of another variant"}),
        &["blockdev-add.filename: this QEMU does not take it"],
    );
    check(
        "blockdev-add",
        json!({"driver": "raw", "file": {"driver": "file", "aio": 1, "sizes": [1, 2.5]}}),
        &[
            "blockdev-add.file.filename: it is missing",
            "blockdev-add.file.aio: a string expected, not an integer",
            "blockdev-add.file.sizes[1]: an integer expected, not a fraction",
        ],
    );
    check(
        "blockdev-add",
        json!({"driver": "raw", "file": 3, "read-only": "yes"}),
        &[
            "blockdev-add.read-only: true or false expected, not a string",
            "blockdev-add.file: another type expected, not an integer",
        ],
    );
    check("device_add", json!({}), &["device_add.driver: it is missing"]);
}

#[test]
fn deprecation_is_told_and_is_no_error() {
    let text = text();
    let schema = Schema::from_text(&text);
    let arguments = json!({"driver": "file", "filename": "a", "aio": "native", "locking": true});

    let findings = schema.check("blockdev-add", &arguments);

    assert_eq!(findings[0].to_string(), "blockdev-add.aio: it is deprecated");
    assert_eq!(findings[1].to_string(), "blockdev-add.locking: it is deprecated");
    assert!(!findings.iter().any(Finding::is_error));
    assert_eq!(schema.check("old", &Value::Null).len(), 1);
}

#[test]
fn an_answer_that_is_no_schema_is_refused() {
    for reply in [json!({}), json!(["a"]), json!([{"meta-type": "event"}])] {
        let error = Schema::text_of(&reply).unwrap_err();
        assert!(error.starts_with("the QMP schema is not understood: "), "{error}");
    }
}

#[test]
fn an_entry_that_is_not_understood_is_absent() {
    let text = Schema::text_of(&json!([
        {"name": "new", "meta-type": "of another kind"},
        {"name": "wrong", "meta-type": "object"},
        {"name": "add", "meta-type": "command", "arg-type": "0", "ret-type": "7"},
        {"name": "0", "meta-type": "object", "members": [{"name": "a", "type": "wrong"}]}
    ]))
    .unwrap();
    let schema = Schema::from_text(&text);

    assert!(schema.command("new").is_none());
    assert!(schema.command("add").unwrap().returns().is_none());
    assert_eq!(schema.check("add", &json!({"a": 1})), []);
}
