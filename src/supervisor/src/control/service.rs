//! The interfaces that the control socket offers.

use serde_json::{Value, json};

use super::Request;
use crate::varlink::{Call, Reply};

const DOMAIN: &str = include_str!("../../../../schemas/org.vdomain.Domain.varlink");
const SERVICE: &str = include_str!("../../../../schemas/org.varlink.service.varlink");

/// Each method of `org.vdomain.Domain` with what it asks.
const METHODS: &[(&str, Request)] = &[
    ("GetState", Request::GetState),
    ("GetConsoles", Request::GetConsoles),
    ("Suspend", Request::Suspend),
    ("Resume", Request::Resume),
    ("Shutdown", Request::Shutdown),
    ("Destroy", Request::Destroy),
];

/// What a call asks of the guest; or the reply, where nobody needs to be asked.
pub(super) fn understand(call: &Call, name: &str) -> Result<Request, Reply> {
    let (interface, method) = call.method.rsplit_once('.').unwrap_or(("", &call.method));
    match interface {
        "org.varlink.service" => Err(service(method, &call.parameters, name)),
        "org.vdomain.Domain" => METHODS
            .iter()
            .find(|(known, _)| *known == method)
            .map(|(_, request)| *request)
            .ok_or_else(|| error("MethodNotFound", json!({ "method": call.method }))),
        other => Err(error("InterfaceNotFound", json!({ "interface": other }))),
    }
}

/// The guest is gone.
pub(super) fn gone() -> Reply {
    Reply::error("org.vdomain.Domain.Gone", json!({}))
}

fn service(method: &str, parameters: &Value, name: &str) -> Reply {
    match method {
        "GetInfo" => Reply::done(json!({
            "vendor": "vdomain",
            "product": format!("vdomain ({name})"),
            "version": env!("CARGO_PKG_VERSION"),
            "url": env!("CARGO_PKG_REPOSITORY"),
            "interfaces": ["org.varlink.service", "org.vdomain.Domain"],
        })),
        "GetInterfaceDescription" => match parameters["interface"].as_str() {
            Some("org.vdomain.Domain") => Reply::done(json!({ "description": DOMAIN })),
            Some("org.varlink.service") => Reply::done(json!({ "description": SERVICE })),
            Some(other) => error("InterfaceNotFound", json!({ "interface": other })),
            None => error("InvalidParameter", json!({ "parameter": "interface" })),
        },
        _ => error("MethodNotFound", json!({ "method": format!("org.varlink.service.{method}") })),
    }
}

fn error(name: &str, parameters: Value) -> Reply {
    Reply::error(&format!("org.varlink.service.{name}"), parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_lists_exactly_the_methods_that_are_answered() {
        let listed: Vec<&str> = DOMAIN
            .lines()
            .filter_map(|line| line.strip_prefix("method ")?.split('(').next())
            .collect();
        let answered: Vec<&str> = METHODS.iter().map(|(method, _)| *method).collect();
        assert_eq!(listed, answered);
    }

    #[test]
    fn an_unknown_method_is_named_in_the_error() {
        let call = Call {
            method: "org.vdomain.Domain.Dance".to_owned(),
            parameters: json!({}),
            more: false,
            oneway: false,
        };
        let reply = understand(&call, "a").unwrap_err();
        assert_eq!(reply.error.as_deref(), Some("org.varlink.service.MethodNotFound"));
        assert_eq!(reply.parameters["method"], "org.vdomain.Domain.Dance");
    }
}
