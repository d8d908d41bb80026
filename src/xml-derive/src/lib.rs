//! The derive of `xml::Xml`: parse, print and schema of an element from one struct.
//!
//! What it takes is described at the top of the crate `xml`. What it emits is a static table and
//! two matches that reach the fields; the walking is one function in `xml::walk` for all types, so
//! that hundreds of elements build quickly.

mod attributes;
mod keyed;
mod record;

use proc_macro::TokenStream;
use syn::{Data, DeriveInput, parse_macro_input};

/// Derives `xml::Xml` for a struct (an element) or an enum (keyed by an attribute).
#[proc_macro_derive(Xml, attributes(xml))]
pub fn derive_xml(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let output = match &input.data {
        Data::Struct(data) => record::derive(&input, data),
        Data::Enum(data) => keyed::derive(&input, data),
        Data::Union(_) => Err(syn::Error::new_spanned(&input.ident, "a union is no element")),
    };
    output.unwrap_or_else(syn::Error::into_compile_error).into()
}
