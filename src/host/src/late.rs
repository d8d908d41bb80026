//! Late values: what exists only while a guest starts, filled into the plan where it says `{NAME}`.

use std::collections::BTreeMap;

use serde_json::Value;

/// Late values by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LateValues(BTreeMap<String, Value>);

impl LateValues {
    /// Notes a value.
    pub fn insert(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// A value, if it is known already.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text with every `{NAME}` of a known value replaced.
    pub fn in_text(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.0 {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            filled = filled.replace(&format!("{{{name}}}"), &shown);
        }
        filled
    }

    /// A JSON value with every `{NAME}` replaced. A text that is nothing but `{NAME}` becomes the
    /// value itself, which may be a number.
    pub fn in_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match named(text).and_then(|name| self.get(name)) {
                Some(late) => late.clone(),
                None => Value::String(self.in_text(text)),
            },
            Value::Array(items) => items.iter().map(|item| self.in_json(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, member)| (name.clone(), self.in_json(member))).collect()
            }
            other => other.clone(),
        }
    }
}

/// The name inside the only braces of a text.
pub fn named(text: &str) -> Option<&str> {
    text.strip_prefix('{')?.strip_suffix('}').filter(|name| !name.contains(['{', '}']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_keeps_its_type_where_it_stands_alone() {
        let mut late = LateValues::default();
        late.insert("vsock0-cid", 7);
        late.insert("net0-name", "vnet3");

        let filled = late.in_json(&json!({"guest-cid": "{vsock0-cid}", "x": ["tap:{net0-name}"]}));

        assert_eq!(filled, json!({"guest-cid": 7, "x": ["tap:vnet3"]}));
    }

    #[test]
    fn what_is_not_known_stays_as_it_is() {
        assert_eq!(LateValues::default().in_text("{a} {\"b\":1}"), "{a} {\"b\":1}");
    }
}
