//! Lists of words: the spelling of each value of an enumeration is written once, and serves
//! reading, printing, the schema and error messages.

use crate::value::BadValue;

/// An enumeration whose values are words.
pub trait Words: Copy + PartialEq + 'static {
    /// The spellings, in the order of the enumeration.
    const WORDS: &'static [&'static str];
    /// The values, in the same order.
    const ALL: &'static [Self];

    /// The spelling.
    fn word(self) -> &'static str;
}

/// Finds `text` in `words`.
///
/// # Errors
/// The whole list, and the nearest word.
pub fn find(words: &'static [&'static str], text: &str) -> Result<usize, BadValue> {
    words.iter().position(|word| *word == text).ok_or_else(|| BadValue {
        expected: format!("one of: {}", words.join(", ")),
        near: nearest(words.iter().copied(), text),
    })
}

/// The word nearest to `text`, if one is near enough to have been meant.
pub fn nearest<'a>(words: impl IntoIterator<Item = &'a str>, text: &str) -> Option<&'a str> {
    words
        .into_iter()
        .map(|word| (distance(word, text), word))
        .filter(|(distance, word)| *distance <= 1 + word.len().min(text.len()) / 4)
        .min()
        .map(|(_, word)| word)
}

/// How many letters must be added, dropped, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (
        a.chars().flat_map(char::to_lowercase).take(64).collect(),
        b.chars().flat_map(char::to_lowercase).take(64).collect(),
    );
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// Defines an enumeration of words.
///
/// `unset "default"` names a word that is accepted and means the same as leaving the value out;
/// further spellings of a value, such as `Raw = "raw" | "aio"`, are accepted and never written.
///
/// ```
/// base::words! {
///     /// What happens to discard requests.
///     pub enum Discard unset "default" {
///         /// Passed on to the image.
///         Unmap = "unmap",
///         /// Ignored.
///         Ignore = "ignore",
///     }
/// }
/// use base::Value;
/// assert_eq!(Discard::parse("unmap"), Ok(Some(Discard::Unmap)));
/// assert_eq!(Discard::parse("default"), Ok(None));
/// assert_eq!(Discard::parse("unmapp").unwrap_err().near, Some("unmap"));
/// ```
#[macro_export]
macro_rules! words {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident $(unset $unset:literal)? {
            $($(#[$variant_meta:meta])* $variant:ident = $word:literal $(| $also:literal)*),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name {
            $($(#[$variant_meta])* $variant),+
        }

        impl $crate::words::Words for $name {
            const WORDS: &'static [&'static str] = &[$($word),+];
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl ::std::default::Default for $name {
            fn default() -> Self {
                <Self as $crate::words::Words>::ALL[0]
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str($crate::words::Words::word(*self))
            }
        }

        impl $crate::value::Value for $name {
            fn parse(text: &str) -> ::std::result::Result<Option<Self>, $crate::value::BadValue> {
                $(if text == $unset { return Ok(None); })?
                $($(if text == $also { return Ok(Some(Self::$variant)); })*)+
                let words = <Self as $crate::words::Words>::WORDS;
                $crate::words::find(words, text)
                    .map(|at| Some(<Self as $crate::words::Words>::ALL[at]))
            }

            fn write(&self, out: &mut String) {
                out.push_str($crate::words::Words::word(*self));
            }

            fn datatype() -> $crate::value::Datatype {
                $crate::value::Datatype::Words(&[$($unset,)? $($word $(, $also)*),+])
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        assert_eq!(nearest(["file", "block", "dir"], "blok"), Some("block"));
        assert_eq!(nearest(["filesystem", "disk"], "filesystm"), Some("filesystem"));
        assert_eq!(nearest(["address"], "adress"), Some("address"));
    }

    crate::words! {
        enum Format { Raw = "raw" | "aio", Qcow2 = "qcow2" }
    }

    #[test]
    fn a_further_spelling_is_read_and_not_written() {
        use crate::value::Value;
        assert_eq!(Format::parse("aio").unwrap().unwrap().to_text(), "raw");
        assert_eq!(Format::parse("qcow").unwrap_err().expected, "one of: raw, qcow2");
    }

    #[test]
    fn a_different_word_is_not_taken_for_a_slip() {
        assert_eq!(nearest(["file", "block", "dir"], "network"), None);
    }
}
