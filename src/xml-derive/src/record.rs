//! Structs: an element with its attributes and children.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataStruct, DeriveInput, Field, Ident, Path, Result, Type};

use crate::attributes::{FieldWords, Kind, doc, text, within};

/// How a field holds its value.
#[derive(Clone, Copy, PartialEq)]
enum Holds {
    One,
    Perhaps,
    Many,
}

struct Row<'a> {
    ident: &'a Ident,
    words: FieldWords,
    name: String,
    doc: String,
    holds: Holds,
    /// The type inside `Option` or `Vec`.
    inner: &'a Type,
}

pub(crate) fn derive(input: &DeriveInput, data: &DataStruct) -> Result<TokenStream> {
    let struct_words = StructWords::of(input)?;
    let mut rows = Vec::new();
    let mut origin = None;
    for field in &data.fields {
        let ident = field
            .ident
            .as_ref()
            .ok_or_else(|| syn::Error::new_spanned(field, "an element needs named fields"))?;
        if let Some(mut words) = FieldWords::of(field)? {
            words.repeat = words.repeat.or_else(|| struct_words.repeat.clone());
            rows.push(Row::new(ident, field, words));
        } else if ident == "origin" {
            origin = Some(ident);
        }
    }
    let name = &input.ident;
    let shape = shape(input, &rows, &struct_words)?;
    let indices: Vec<usize> = (0..rows.len()).collect();
    let slots = rows.iter().map(|row| row.slot(false));
    let slots_mut = rows.iter().map(|row| row.slot(true));
    let reads = conditions(&rows, |words| words.read_if.as_ref());
    let prints = conditions(&rows, |words| words.print_if.as_ref());
    let texts = conditions(&rows, |words| words.print_with.as_ref());
    let texts = (!texts.is_empty()).then(|| {
        quote! {
            fn text(&self, index: usize) -> ::std::option::Option<::std::string::String> {
                match index {
                    #(#texts)*
                    _ => ::std::option::Option::None,
                }
            }
        }
    });
    let set_origin = origin.map(|ident| quote!(self.#ident = origin;));
    let drop_if = struct_words.drop_if.map(|path| {
        quote! {
            if #path(&value) {
                return ::std::option::Option::None;
            }
        }
    });
    let finish = struct_words.finish.map(|path| {
        quote! {
            fn finish(&mut self, el: ::xml::El<'_>, reader: &mut ::xml::Reader) {
                #path(self, el, reader);
            }
        }
    });
    Ok(quote! {
        impl #name {
            /// The table of the element's attributes and children.
            #[doc(hidden)]
            pub fn element_shape() -> &'static ::xml::Shape {
                static SHAPE: ::xml::Shape = #shape;
                &SHAPE
            }
        }

        impl ::xml::Element for #name {
            fn shape(&self) -> &'static ::xml::Shape {
                Self::element_shape()
            }

            fn slot(&self, index: usize) -> ::xml::Slot<'_> {
                match index {
                    #(#indices => #slots,)*
                    _ => ::std::unreachable!("the table has no such row"),
                }
            }

            fn slot_mut(&mut self, index: usize) -> ::xml::SlotMut<'_> {
                match index {
                    #(#indices => #slots_mut,)*
                    _ => ::std::unreachable!("the table has no such row"),
                }
            }

            fn reads(&self, index: usize) -> bool {
                match index {
                    #(#reads)*
                    _ => true,
                }
            }

            fn prints(&self, index: usize) -> bool {
                match index {
                    #(#prints)*
                    _ => true,
                }
            }

            fn set_origin(&mut self, origin: ::xml::Origin) {
                let _ = origin;
                #set_origin
            }

            #finish
            #texts
        }

        impl ::xml::Xml for #name {
            fn read(el: ::xml::El<'_>, reader: &mut ::xml::Reader) -> ::std::option::Option<Self> {
                let mut value = <Self as ::std::default::Default>::default();
                ::xml::walk::read(&mut value, el, reader);
                #drop_if
                ::std::option::Option::Some(value)
            }

            fn print(&self, tag: &mut ::xml::Tag) {
                ::xml::walk::print(self, tag);
            }

            fn pattern(grammar: &mut ::xml::Grammar) -> ::xml::Pattern {
                ::xml::grammar::of_shape(Self::element_shape(), grammar)
            }
        }
    })
}

/// What `#[xml(…)]` says of the struct itself.
#[derive(Default)]
struct StructWords {
    finish: Option<Path>,
    drop_if: Option<Path>,
    closed: bool,
    ignores: Vec<String>,
    repeat: Option<String>,
}

impl StructWords {
    fn of(input: &DeriveInput) -> Result<Self> {
        let mut words = Self::default();
        for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("xml")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("finish") {
                    words.finish = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("drop_if") {
                    words.drop_if = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("closed") {
                    words.closed = true;
                } else if meta.path.is_ident("repeat") {
                    words.repeat = Some(text(&meta)?);
                } else if meta.path.is_ident("ignores") {
                    let names = text(&meta)?;
                    words.ignores = names.split_whitespace().map(str::to_owned).collect();
                } else {
                    return Err(meta.error("not a word of #[xml] on a struct"));
                }
                Ok(())
            })?;
        }
        Ok(words)
    }
}

fn shape(input: &DeriveInput, rows: &[Row<'_>], words: &StructWords) -> Result<TokenStream> {
    let name = input.ident.to_string();
    let doc = doc(&input.attrs);
    let fields: Vec<TokenStream> = rows.iter().map(Row::shape).collect::<Result<_>>()?;
    let attributes = attribute_steps(rows)?;
    let StructWords { closed, ignores, .. } = words;
    Ok(quote! {
        ::xml::Shape {
            name: ::core::concat!(::core::module_path!(), "::", #name),
            doc: #doc,
            fields: &[#(#fields),*],
            attributes: &[#(#attributes),*],
            closed: #closed,
            ignores: &[#(#ignores),*],
        }
    })
}

/// Attributes in the order of the fields, keys of flattened enums where they are asked for.
fn attribute_steps(rows: &[Row<'_>]) -> Result<Vec<TokenStream>> {
    let key = |index: usize| quote!(::xml::AttributeStep::Key(#index));
    let mut steps: Vec<TokenStream> = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.words.key_first)
        .map(|(at, _)| key(at))
        .collect();
    for (index, row) in rows.iter().enumerate() {
        match row.words.kind {
            Some(Kind::Attribute) => steps.push(quote!(::xml::AttributeStep::Field(#index))),
            Some(Kind::Text) if row.words.unit => {
                steps.push(quote!(::xml::AttributeStep::Field(#index)));
            }
            Some(Kind::Flatten) => {
                if row.words.key_here {
                    steps.push(key(index));
                }
                steps.push(quote!(::xml::AttributeStep::Flatten(#index)));
            }
            _ => {}
        }
        let here = row.ident.to_string();
        for (later, other) in rows.iter().enumerate() {
            if other.words.key_after.as_deref() == Some(here.trim_start_matches("r#")) {
                steps.push(key(later));
            }
        }
    }
    for row in rows {
        if let Some(after) = &row.words.key_after
            && !rows.iter().any(|other| other.ident == after)
        {
            return Err(syn::Error::new_spanned(row.ident, format!("no field '{after}'")));
        }
    }
    Ok(steps)
}

fn conditions<'a>(
    rows: &'a [Row<'_>],
    which: impl Fn(&'a FieldWords) -> Option<&'a Path>,
) -> Vec<TokenStream> {
    rows.iter()
        .enumerate()
        .filter_map(|(index, row)| which(&row.words).map(|path| quote!(#index => #path(self),)))
        .collect()
}

impl<'a> Row<'a> {
    fn new(ident: &'a Ident, field: &'a Field, words: FieldWords) -> Self {
        let (holds, inner) = holds(&field.ty);
        let plain = ident.to_string().trim_start_matches("r#").to_owned();
        let name = words.name.clone().unwrap_or(plain);
        Self { ident, words, name, doc: doc(&field.attrs), holds, inner }
    }

    fn kind(&self) -> &Kind {
        self.words.kind.as_ref().expect("fields without a kind are refused when they are read")
    }

    fn slot(&self, mutable: bool) -> TokenStream {
        let ident = self.ident;
        let (slot, reference) = if mutable {
            (quote!(::xml::SlotMut), quote!(&mut self.#ident))
        } else {
            (quote!(::xml::Slot), quote!(&self.#ident))
        };
        match self.kind() {
            Kind::Attribute | Kind::Text => quote!(#slot::Value(#reference)),
            Kind::TextChild | Kind::AttributeChild(_) if self.holds == Holds::Many => {
                quote!(#slot::Values(#reference))
            }
            Kind::TextChild | Kind::AttributeChild(_) => quote!(#slot::Value(#reference)),
            Kind::Child => quote!(#slot::Child(#reference)),
            Kind::Flag if mutable => quote!(#slot::Flag(#reference)),
            Kind::Flag => quote!(#slot::Flag(self.#ident)),
            Kind::Flatten if self.is_keyed() => quote!(#slot::Keyed(#reference)),
            Kind::Flatten => quote!(#slot::Element(#reference)),
        }
    }

    /// A flattened enum says where its key goes, a struct has none.
    fn is_keyed(&self) -> bool {
        self.words.key_first || self.words.key_here || self.words.key_after.is_some()
    }

    /// The fields of a flattened struct that are asked for.
    fn with(&self) -> Vec<&str> {
        self.words.with.iter().flat_map(|names| names.split_whitespace()).collect()
    }

    fn shape(&self) -> Result<TokenStream> {
        let Self { name, doc, inner, .. } = self;
        let many = self.holds == Holds::Many;
        let FieldWords { required, keep_empty, open, unit, repeat, within, on_request, .. } =
            &self.words;
        let conditional = self.words.read_if.is_some();
        let print_if = self.words.print_if.is_some();
        let optional_key = self.is_keyed() && self.holds == Holds::Perhaps;
        let absent = optional(self.words.absent.as_deref());
        let kind = match self.kind() {
            Kind::Attribute => quote!(Attribute),
            Kind::Text => quote!(Text),
            Kind::Child => {
                let within = optional(within.as_deref());
                quote!(Child { many: #many, within: #within })
            }
            Kind::TextChild => {
                quote!(Value { many: #many, attribute: ::std::option::Option::None })
            }
            Kind::AttributeChild(attribute) => {
                quote!(Value { many: #many, attribute: ::std::option::Option::Some(#attribute) })
            }
            Kind::Flag => quote!(Flag),
            Kind::Flatten => {
                let with = self.with();
                let within = optional(within.as_deref());
                quote!(Flatten { with: &[#(#with),*], within: #within })
            }
        };
        let repeat = match repeat.as_deref() {
            None | Some("first") => quote!(First),
            Some("last") => quote!(Last),
            Some("error") => quote!(Error),
            Some("merge") => quote!(Merge),
            Some(_) => {
                let message = "repeat is first, last, error or merge";
                return Err(syn::Error::new_spanned(self.ident, message));
            }
        };
        let pattern = match self.kind() {
            Kind::Attribute | Kind::Text | Kind::TextChild | Kind::AttributeChild(_) => {
                quote!(::xml::grammar::of_value::<#inner>)
            }
            Kind::Flag => quote!(|_| ::xml::Pattern::Empty),
            Kind::Flatten if !self.is_keyed() => {
                let with = self.with();
                quote!(|grammar| ::xml::grammar::of_flattened(
                    <#inner>::element_shape(),
                    &[#(#with),*],
                    grammar,
                ))
            }
            Kind::Flatten if within.is_some() => quote!(|grammar| {
                ::xml::grammar::of_key_within(<#inner>::element_key(), #within, grammar)
            }),
            Kind::Child | Kind::Flatten => quote!(<#inner as ::xml::Xml>::pattern),
        };
        Ok(quote! {
            ::xml::FieldShape {
                name: #name,
                kind: ::xml::Kind::#kind,
                doc: #doc,
                required: #required,
                conditional: #conditional,
                print_if: #print_if,
                optional: #optional_key,
                keep_empty: #keep_empty,
                open: #open,
                unit: #unit,
                absent: #absent,
                on_request: #on_request,
                repeat: ::xml::Repeat::#repeat,
                pattern: #pattern,
            }
        })
    }
}

fn optional(text: Option<&str>) -> TokenStream {
    match text {
        Some(text) => quote!(::std::option::Option::Some(#text)),
        None => quote!(::std::option::Option::None),
    }
}

/// Takes `Option<…>` or `Vec<…>` off a type.
fn holds(ty: &Type) -> (Holds, &Type) {
    if let Some(inner) = within("Option", ty) {
        (Holds::Perhaps, inner)
    } else if let Some(inner) = within("Vec", ty) {
        (Holds::Many, inner)
    } else {
        (Holds::One, ty)
    }
}
