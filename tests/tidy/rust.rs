//! A Rust source as a rule sees it: the paths and texts in it, without comments and without what
//! is only compiled for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::tree;

/// A source file.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Its path from the top of the project.
    pub(crate) file: PathBuf,
    /// Each path that it names, such as `std::fs::File`, with the line; a macro with its `!`.
    /// `use` groups are taken apart.
    pub(crate) names: Vec<(usize, String)>,
    /// Its string literals as written, quotes included, with the line.
    pub(crate) literals: Vec<(usize, String)>,
    /// The modules that it declares for tests only.
    test_modules: Vec<String>,
}

/// The sources of a crate, without those for tests.
pub(crate) fn sources(directory: &Path) -> &'static [Source] {
    static ALL: LazyLock<BTreeMap<PathBuf, Vec<Source>>> = LazyLock::new(|| {
        tree::crates().into_iter().map(|member| (member.directory.clone(), read(&member))).collect()
    });
    &ALL[directory]
}

fn read(member: &tree::Crate) -> Vec<Source> {
    let all: Vec<Source> = tree::below(member.directory.join("src"))
        .into_iter()
        .filter(|file| tree::is(file, "rs"))
        .map(|file| {
            let text = tree::read(&file);
            Source::parse(file, &text)
        })
        .collect();
    let tests: BTreeSet<PathBuf> = all.iter().flat_map(Source::test_paths).collect();
    let is_test =
        |source: &Source| tests.iter().any(|test| source.file.with_extension("").starts_with(test));
    all.into_iter().filter(|source| !is_test(source)).collect()
}

impl Source {
    fn parse(file: PathBuf, text: &str) -> Self {
        let tokens = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut source = Self { file, ..Self::default() };
        source.walk(tokens, "");
        source
    }

    /// Where the modules that are for tests only are, without extension.
    fn test_paths(&self) -> Vec<PathBuf> {
        let stem = self.file.file_stem().unwrap_or_default();
        let directory = match stem.to_str() {
            Some("lib" | "main" | "mod") => self.file.parent().unwrap_or(Path::new("")).to_owned(),
            _ => self.file.with_extension(""),
        };
        self.test_modules.iter().map(|module| directory.join(module)).collect()
    }

    /// Goes through tokens; `prefix` is the path before the `{` of a `use` group.
    fn walk(&mut self, tokens: TokenStream, prefix: &str) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => match attribute(&tokens[at..])
                {
                    Some(Attribute::CfgTest) => at += 1 + self.skip_item(&tokens[at + 1..]),
                    Some(Attribute::Doc(length)) => at += length,
                    None => {}
                },
                TokenTree::Ident(ident) if *ident == "as" => at += 1,
                TokenTree::Ident(ident) => {
                    let line = ident.span().start().line;
                    let mut path = format!("{prefix}{ident}");
                    while is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':') {
                        match tokens.get(at + 2) {
                            Some(TokenTree::Ident(next)) => path = format!("{path}::{next}"),
                            Some(TokenTree::Group(group)) => {
                                self.walk(group.stream(), &format!("{path}::"));
                            }
                            _ => break,
                        }
                        at += 3;
                    }
                    if is_macro_call(&tokens[at..]) {
                        path.push('!');
                    }
                    self.names.push((line, path));
                }
                TokenTree::Group(group) => self.walk(group.stream(), ""),
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if text.contains('"') {
                        self.literals.push((literal.span().start().line, text));
                    }
                }
                TokenTree::Punct(_) => {}
            }
        }
    }

    /// Steps over the item after `#[cfg(test)]`; the number of its tokens.
    fn skip_item(&mut self, tokens: &[TokenTree]) -> usize {
        let is_end = |token: &TokenTree| match token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Punct(punct) => matches!(punct.as_char(), ';' | ','),
            _ => false,
        };
        let length = tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1);
        if let [.., TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(_)] =
            &tokens[..length]
            && *word == "mod"
        {
            self.test_modules.push(name.to_string());
        }
        length
    }
}

/// An attribute that matters here.
enum Attribute {
    /// What follows is for tests only.
    CfgTest,
    /// A doc comment, with the number of its tokens after the `#`.
    Doc(usize),
}

/// What the tokens after a `#` are.
fn attribute(tokens: &[TokenTree]) -> Option<Attribute> {
    let mark = usize::from(is_punct(tokens.first(), '!'));
    let Some(TokenTree::Group(group)) = tokens.get(mark) else { return None };
    let mut words = group.stream().into_iter().map(|token| token.to_string());
    match (words.next()?.as_str(), words.next()?.as_str()) {
        ("cfg", "(test)") => Some(Attribute::CfgTest),
        ("doc", "=") => Some(Attribute::Doc(mark + 1)),
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// Whether `!` and what a macro is given follow, as opposed to `!=`.
fn is_macro_call(tokens: &[TokenTree]) -> bool {
    is_punct(tokens.first(), '!') && matches!(tokens.get(1), Some(TokenTree::Group(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        Source::parse("x.rs".into(), text).names.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn use_groups_are_taken_apart() {
        assert_eq!(
            names("use std::{fs, io::{self, Read as In}};"),
            ["use", "std::fs", "std::io::self", "std::io::Read", "std::io", "std"]
        );
    }

    #[test]
    fn comments_texts_and_tests_are_left_out() {
        let text = "
            //! Speaks of std::fs.
            /// And here.
            fn f() { g(\"std::fs\") } // and here
            #[cfg(test)]
            mod tests { use std::fs; }
            #[cfg(test)]
            mod helper;
            const A: u8 = 1;
        ";
        assert_eq!(names(text), ["fn", "f", "g", "const", "A", "u8"]);
    }

    #[test]
    fn a_macro_has_its_mark_and_a_comparison_has_none() {
        assert_eq!(names("if a != b { std::println!() }"), ["if", "a", "b", "std::println!"]);
    }

    #[test]
    fn lines_are_counted_from_one() {
        let source = Source::parse("x.rs".into(), "\na\n\"b\"");
        assert_eq!(source.names, [(2, "a".to_owned())]);
        assert_eq!(source.literals, [(3, "\"b\"".to_owned())]);
    }

    #[test]
    fn a_module_for_tests_is_found_where_rust_looks_for_it() {
        let source = Source::parse("src/a/src/b.rs".into(), "#[cfg(test)]\nmod tests;");
        assert_eq!(source.test_paths(), [Path::new("src/a/src/b/tests")]);
        let source = Source::parse("src/a/src/lib.rs".into(), "#[cfg(test)]\nmod tests;");
        assert_eq!(source.test_paths(), [Path::new("src/a/src/tests")]);
    }
}
