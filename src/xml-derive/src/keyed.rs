//! Enums: an element, or part of one, of which an attribute chooses the form.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, DeriveInput, Fields, Result, Type, Variant};

use crate::attributes::{doc, text, within};

pub(crate) fn derive(input: &DeriveInput, data: &DataEnum) -> Result<TokenStream> {
    let (attribute, default, quiet) = key(input)?;
    let said: Vec<VariantWords> =
        data.variants.iter().map(VariantWords::of).collect::<Result<_>>()?;
    let words: Vec<&str> = said.iter().map(|words| words.word.as_str()).collect();
    let default = match &default {
        None => quote!(::std::option::Option::None),
        Some(word) => {
            let index =
                words.iter().position(|known| *known == word.as_str()).ok_or_else(|| {
                    syn::Error::new_spanned(
                        &input.ident,
                        format!("no variant has the word '{word}'"),
                    )
                })?;
            quote!(::std::option::Option::Some(#index))
        }
    };
    let name = &input.ident;
    let type_name = name.to_string();
    let type_doc = doc(&input.attrs);
    let indices: Vec<usize> = (0..words.len()).collect();
    let variants = data.variants.iter().zip(&said).map(|(variant, words)| {
        let ignores = &words.ignores;
        let doc = doc(&variant.attrs);
        let shape = match inner(variant) {
            Some((ty, _)) => quote!(::std::option::Option::Some(<#ty>::element_shape)),
            None => quote!(::std::option::Option::None),
        };
        quote!(::xml::Variant { doc: #doc, shape: #shape, ignores: &[#(#ignores),*] })
    });
    let fresh: Vec<TokenStream> = data
        .variants
        .iter()
        .map(|variant| {
            let ident = &variant.ident;
            match inner(variant) {
                Some(_) => quote!(#name::#ident(::std::default::Default::default())),
                None => quote!(#name::#ident),
            }
        })
        .collect();
    let first = &fresh[0];
    let matches = data.variants.iter().map(|variant| {
        let ident = &variant.ident;
        if inner(variant).is_some() { quote!(#name::#ident(_)) } else { quote!(#name::#ident) }
    });
    let arms = |unboxed: &TokenStream| -> Vec<TokenStream> {
        data.variants
            .iter()
            .map(|variant| {
                let ident = &variant.ident;
                match inner(variant) {
                    Some((_, false)) => {
                        quote!(#name::#ident(inner) => ::std::option::Option::Some(inner))
                    }
                    Some((_, true)) => {
                        quote!(#name::#ident(inner) => ::std::option::Option::Some(#unboxed))
                    }
                    None => quote!(#name::#ident => ::std::option::Option::None),
                }
            })
            .collect()
    };
    let (shared, exclusive) = (arms(&quote!(&**inner)), arms(&quote!(&mut **inner)));
    Ok(quote! {
        impl ::std::default::Default for #name {
            fn default() -> Self {
                #first
            }
        }

        impl #name {
            /// The attribute that chooses the variant, and the variants.
            #[doc(hidden)]
            pub fn element_key() -> &'static ::xml::Key {
                static KEY: ::xml::Key = ::xml::Key {
                    name: ::core::concat!(::core::module_path!(), "::", #type_name),
                    doc: #type_doc,
                    attribute: #attribute,
                    default: #default,
                    quiet: #quiet,
                    words: &[#(#words),*],
                    variants: &[#(#variants),*],
                };
                &KEY
            }

            /// The word that chooses the present variant.
            pub fn word(&self) -> &'static str {
                Self::element_key().words[::xml::Keyed::selected(self)]
            }
        }

        impl ::xml::Keyed for #name {
            fn key(&self) -> &'static ::xml::Key {
                Self::element_key()
            }

            fn select(&mut self, index: usize) {
                *self = match index {
                    #(#indices => #fresh,)*
                    _ => ::std::unreachable!("the table has no such row"),
                };
            }

            fn selected(&self) -> usize {
                match self {
                    #(#matches => #indices,)*
                }
            }

            fn inner(&self) -> ::std::option::Option<&dyn ::xml::Element> {
                match self {
                    #(#shared,)*
                }
            }

            fn inner_mut(&mut self) -> ::std::option::Option<&mut dyn ::xml::Element> {
                match self {
                    #(#exclusive,)*
                }
            }
        }

        impl ::xml::Xml for #name {
            fn read(el: ::xml::El<'_>, reader: &mut ::xml::Reader) -> ::std::option::Option<Self> {
                let mut value = <Self as ::std::default::Default>::default();
                ::xml::walk::read_keyed(&mut value, el, reader);
                ::std::option::Option::Some(value)
            }

            fn print(&self, tag: &mut ::xml::Tag) {
                ::xml::walk::print_keyed(self, tag);
            }

            fn pattern(grammar: &mut ::xml::Grammar) -> ::xml::Pattern {
                ::xml::grammar::of_key(Self::element_key(), grammar)
            }
        }
    })
}

/// The attribute, the word that a missing one stands for, and whether that word is left out.
fn key(input: &DeriveInput) -> Result<(String, Option<String>, bool)> {
    let mut attribute = None;
    let mut default = None;
    let mut quiet = false;
    for found in input.attrs.iter().filter(|found| found.path().is_ident("xml")) {
        found.parse_nested_meta(|meta| {
            if meta.path.is_ident("key") {
                attribute = Some(text(&meta)?);
            } else if meta.path.is_ident("default") {
                default = Some(text(&meta)?);
            } else if meta.path.is_ident("quiet") {
                quiet = true;
            } else {
                return Err(meta.error("not a word of #[xml] on an enum"));
            }
            Ok(())
        })?;
    }
    let attribute = attribute.ok_or_else(|| {
        syn::Error::new_spanned(&input.ident, "say which attribute chooses: #[xml(key = \"…\")]")
    })?;
    Ok((attribute, default, quiet))
}

/// What `#[xml(…)]` says of a variant.
struct VariantWords {
    word: String,
    ignores: Vec<String>,
}

impl VariantWords {
    fn of(variant: &Variant) -> Result<Self> {
        let mut word = None;
        let mut ignores = Vec::new();
        for found in variant.attrs.iter().filter(|found| found.path().is_ident("xml")) {
            found.parse_nested_meta(|meta| {
                if meta.path.is_ident("word") {
                    word = Some(text(&meta)?);
                } else if meta.path.is_ident("ignores") {
                    ignores = text(&meta)?.split_whitespace().map(str::to_owned).collect();
                } else {
                    return Err(meta.error("not a word of #[xml] on a variant"));
                }
                Ok(())
            })?;
        }
        let word = word.ok_or_else(|| {
            syn::Error::new_spanned(variant, "say its word: #[xml(word = \"…\")]")
        })?;
        Ok(Self { word, ignores })
    }
}

/// The type that a variant holds, and whether in a `Box`.
fn inner(variant: &Variant) -> Option<(&Type, bool)> {
    let Fields::Unnamed(fields) = &variant.fields else { return None };
    let ty = &fields.unnamed.first()?.ty;
    Some(within("Box", ty).map_or((ty, false), |inner| (inner, true)))
}
