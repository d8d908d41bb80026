//! Addresses of the Internet Protocol.

use std::fmt::Write;
use std::net::IpAddr;

use crate::value::{BadValue, Datatype, Value};

impl Value for IpAddr {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let bad = |_| BadValue::new("an IPv4 or IPv6 address");
        text.parse().map(Some).map_err(bad)
    }

    fn write(&self, out: &mut String) {
        write!(out, "{self}").expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("[0-9.]+|[0-9a-fA-F:.]+")
    }
}
