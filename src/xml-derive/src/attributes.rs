//! The words inside `#[xml(…)]`, and doc comments.

use syn::meta::ParseNestedMeta;
use syn::{
    Attribute, Expr, ExprLit, Field, GenericArgument, Lit, LitStr, Meta, Path, PathArguments,
    Result, Type,
};

/// What `#[xml(…)]` says of a field.
#[derive(Default)]
pub(crate) struct FieldWords {
    pub(crate) kind: Option<Kind>,
    pub(crate) name: Option<String>,
    pub(crate) within: Option<String>,
    pub(crate) required: bool,
    pub(crate) keep_empty: bool,
    pub(crate) open: bool,
    pub(crate) unit: bool,
    pub(crate) absent: Option<String>,
    pub(crate) repeat: Option<String>,
    pub(crate) read_if: Option<Path>,
    pub(crate) print_if: Option<Path>,
    pub(crate) print_with: Option<Path>,
    pub(crate) key_first: bool,
    pub(crate) key_here: bool,
    pub(crate) key_after: Option<String>,
    pub(crate) on_request: bool,
    pub(crate) with: Option<String>,
}

/// What a field is in the document.
#[derive(Clone, PartialEq)]
pub(crate) enum Kind {
    Attribute,
    Text,
    Child,
    TextChild,
    AttributeChild(String),
    Flag,
    Flatten,
}

impl FieldWords {
    /// Reads the words; `None` for a field that is not part of the document.
    pub(crate) fn of(field: &Field) -> Result<Option<Self>> {
        let mut words = Self::default();
        let mut found = false;
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("xml")) {
            found = true;
            attribute.parse_nested_meta(|meta| words.word(&meta))?;
        }
        if found && words.kind.is_none() {
            return Err(syn::Error::new_spanned(
                field,
                "say what the field is: attribute, text, child, text_child, attribute_child, flag \
                 or flatten",
            ));
        }
        Ok(found.then_some(words))
    }

    fn word(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let word = meta.path.require_ident()?.to_string();
        match word.as_str() {
            "attribute" => self.kind = Some(Kind::Attribute),
            "text" => self.kind = Some(Kind::Text),
            "child" => self.kind = Some(Kind::Child),
            "text_child" => self.kind = Some(Kind::TextChild),
            "attribute_child" => self.kind = Some(Kind::AttributeChild(text(meta)?)),
            "flag" => self.kind = Some(Kind::Flag),
            "flatten" => self.kind = Some(Kind::Flatten),
            "name" => self.name = Some(text(meta)?),
            "within" => self.within = Some(text(meta)?),
            "required" => self.required = true,
            "keep_empty" => self.keep_empty = true,
            "open" => self.open = true,
            "unit" => self.unit = true,
            "absent" => self.absent = Some(text(meta)?),
            "repeat" => self.repeat = Some(text(meta)?),
            "read_if" => self.read_if = Some(meta.value()?.parse()?),
            "print_with" => self.print_with = Some(meta.value()?.parse()?),
            "print_if" => self.print_if = Some(meta.value()?.parse()?),
            "key_first" => self.key_first = true,
            "key_here" => self.key_here = true,
            "on_request" => self.on_request = true,
            "with" => self.with = Some(text(meta)?),
            "key_after" => self.key_after = Some(text(meta)?),
            _ => return Err(meta.error("not a word of #[xml] on a field")),
        }
        Ok(())
    }
}

/// What is between the angle brackets of a type called `wrapper`.
pub(crate) fn within<'a>(wrapper: &str, ty: &'a Type) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == wrapper)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) => Some(inner),
        _ => None,
    }
}

/// The string behind `=`.
pub(crate) fn text(meta: &ParseNestedMeta<'_>) -> Result<String> {
    Ok(meta.value()?.parse::<LitStr>()?.value())
}

/// The doc comment, without the blank in front of each line.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned())
        .collect();
    lines.join("\n")
}
