//! Going through a [`Shape`]: reading and printing, once for all types that derive [`Xml`].
//!
//! [`Xml`]: crate::Xml

use std::borrow::Cow;

use base::words;

use crate::element::{Cursor, El, Names, Reader};
use crate::model::{
    AttributeStep, Child, Element, FieldShape, Key, Keyed, Kind, Repeat, Slot, SlotMut,
};
use crate::problem::{Part, Problem};
use crate::tag::Tag;

/// Reads an element into `value`, and reports what is left over.
pub fn read(value: &mut dyn Element, el: El<'_>, reader: &mut Reader) {
    let mut cursor = Cursor::new(el);
    read_with(value, &[], &mut cursor, reader);
    cursor.finish_with(|names| add_names(value, &[], el, names), reader);
}

/// Reads the fields, of those that are read only on request the ones in `with`.
fn read_with(value: &mut dyn Element, with: &[&str], cursor: &mut Cursor<'_>, reader: &mut Reader) {
    value.set_origin(cursor.el().origin());
    let fields = value.shape().fields;
    let mut unknown = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        if matches!(field.kind, Kind::Flatten { .. })
            && let SlotMut::Keyed(keyed) = value.slot_mut(index)
            && !select(keyed, cursor, reader)
        {
            unknown.push(index);
        }
    }
    for (index, field) in fields.iter().enumerate() {
        if !field.required && is_missing(field, cursor) {
            continue;
        }
        if !is_read(value, index, with) {
            continue;
        }
        if unknown.contains(&index) {
            claim_variants(field, value.slot(index), cursor);
        } else {
            read_field(field, value.slot_mut(index), cursor, reader);
        }
    }
    value.finish(cursor.el(), reader);
}

/// Whether a field is read, where whoever flattens the struct asks for those in `with`.
fn is_read(value: &dyn Element, index: usize, with: &[&str]) -> bool {
    let field = &value.shape().fields[index];
    (!field.conditional || value.reads(index)) && (!field.on_request || with.contains(&field.name))
}

/// Whether nothing in the element is called what the field is called.
fn is_missing(field: &FieldShape, cursor: &Cursor<'_>) -> bool {
    match field.kind {
        Kind::Attribute | Kind::Value { .. } | Kind::Flag => !cursor.may_have(field.name),
        Kind::Child { within, .. } => !cursor.may_have(within.unwrap_or(field.name)),
        Kind::Text | Kind::Flatten { .. } => false,
    }
}

/// Reads a field; of a flattened enum, the variant that it has become already.
fn read_field(field: &FieldShape, slot: SlotMut<'_>, cursor: &mut Cursor<'_>, reader: &mut Reader) {
    let el = cursor.el();
    match (field.kind, slot) {
        (Kind::Attribute, SlotMut::Value(value)) => match cursor.claim_attribute(field.name) {
            Some(text) => {
                let text = with_unit(field, text, cursor);
                if let Err(bad) = value.read(&text) {
                    reader.bad_value(el, Part::Attribute(field.name.to_owned()), &text, bad);
                }
            }
            None if field.required => missing(el, &format!("attribute '{}'", field.name), reader),
            None => {}
        },
        (Kind::Text, SlotMut::Value(value)) => {
            let text = cursor.text();
            if text.is_empty() {
                if field.required {
                    missing(el, "text", reader);
                }
            } else {
                let text = with_unit(field, &text, cursor);
                if let Err(bad) = value.read(&text) {
                    reader.bad_value(el, Part::Text, &text, bad);
                }
            }
        }
        (Kind::Child { within: Some(wrapper), .. }, SlotMut::Child(child)) => {
            while let Some(wrapper) = cursor.claim_child(wrapper) {
                let mut inner = Cursor::new(wrapper);
                while let Some(found) = inner.claim_child(field.name) {
                    child.read(found, reader);
                }
                inner.finish_with(|names| names.children.push(field.name), reader);
            }
        }
        (Kind::Child { many, within: None }, SlotMut::Child(child)) => {
            each_child(field, many, cursor, reader, |found, reader| child.read(found, reader));
        }
        (Kind::Value { many, attribute }, mut slot) => {
            each_child(field, many, cursor, reader, |found, reader| {
                read_value(field, found, attribute, &mut slot, reader);
            });
        }
        (Kind::Flag, SlotMut::Flag(flag)) => {
            each_child(field, false, cursor, reader, |found, reader| {
                Cursor::new(found).finish(reader);
                *flag = true;
            });
        }
        (Kind::Flatten { with, .. }, SlotMut::Element(inner)) => {
            read_with(inner, with, cursor, reader);
        }
        (Kind::Flatten { within: None, .. }, SlotMut::Keyed(keyed)) => {
            read_variant(keyed, cursor, reader);
        }
        (Kind::Flatten { within: Some(wrapper), .. }, SlotMut::Keyed(keyed)) => {
            if let Some(found) = cursor.claim_child(wrapper) {
                let mut inner = Cursor::new(found);
                read_variant(keyed, &mut inner, reader);
                inner.finish_with(|names| add_variant_names(keyed, found, names), reader);
                while let Some(extra) = cursor.claim_child(wrapper) {
                    repeated(el, extra, field.repeat, reader);
                }
            } else if field.required && needs_something(keyed) {
                missing(el, &format!("<{wrapper}>"), reader);
            }
        }
        _ => unreachable!("the derive pairs kinds with slots"),
    }
}

/// The text of a value, with the unit that stands beside it.
fn with_unit<'a>(field: &FieldShape, text: &'a str, cursor: &mut Cursor<'_>) -> Cow<'a, str> {
    match field.unit.then(|| cursor.claim_attribute("unit")).flatten() {
        Some(unit) => Cow::Owned(format!("{text} {unit}")),
        None => Cow::Borrowed(text),
    }
}

/// Calls `read` with the child elements that count, and says a word about those that do not.
fn each_child<'a>(
    field: &FieldShape,
    many: bool,
    cursor: &mut Cursor<'a>,
    reader: &mut Reader,
    mut read: impl FnMut(El<'a>, &mut Reader),
) {
    let el = cursor.el();
    let Some(mut kept) = cursor.claim_child(field.name) else {
        if field.required {
            missing(el, &format!("<{}>", field.name), reader);
        }
        return;
    };
    while let Some(next) = cursor.claim_child(field.name) {
        if many {
            read(kept, reader);
            kept = next;
        } else if field.repeat == Repeat::Last {
            repeated(el, kept, field.repeat, reader);
            kept = next;
        } else {
            repeated(el, next, field.repeat, reader);
            kept = if field.repeat == Repeat::Merge { kept.merged() } else { kept };
        }
    }
    read(kept, reader);
}

/// Reports an element in `el` that does not count because there is another one of its name.
fn repeated(el: El<'_>, extra: El<'_>, repeat: Repeat, reader: &mut Reader) {
    let message = format!("<{}> appears more than once in <{}>", extra.name(), el.name());
    let help = match repeat {
        Repeat::Error => return reader.error(extra.origin(), Part::Name, message),
        Repeat::First => "only the first one has an effect",
        Repeat::Last => "only the last one has an effect",
        Repeat::Merge => "they are read as one, with the attributes of the first",
    };
    reader.push(Problem::warning(extra.origin(), Part::Name, message).help(help));
}

fn read_value(
    field: &FieldShape,
    el: El<'_>,
    attribute: Option<&'static str>,
    slot: &mut SlotMut<'_>,
    reader: &mut Reader,
) {
    let mut cursor = Cursor::new(el);
    let text = match attribute {
        Some(name) => cursor.claim_attribute(name).or(field.absent).map(Cow::Borrowed),
        None => Some(cursor.text()).filter(|text| !text.is_empty()),
    };
    if let Some(text) = text {
        let text = with_unit(field, &text, &mut cursor);
        let read = match slot {
            SlotMut::Value(value) => value.read(&text),
            SlotMut::Values(values) => values.read(&text),
            _ => unreachable!("the derive pairs kinds with slots"),
        };
        if let Err(bad) = read {
            let part = attribute.map_or(Part::Text, |name| Part::Attribute(name.to_owned()));
            reader.bad_value(el, part, &text, bad);
        }
    } else if let Some(name) = attribute {
        missing(el, &format!("attribute '{name}'"), reader);
    } else if field.required {
        missing(el, "text", reader);
    }
    let unit = field.unit.then_some("unit");
    cursor.finish_with(|names| names.attributes.extend(attribute.into_iter().chain(unit)), reader);
}

/// Reads an element of which an attribute chooses the variant, and reports what is left over.
pub fn read_keyed(value: &mut dyn Keyed, el: El<'_>, reader: &mut Reader) {
    let mut cursor = Cursor::new(el);
    if select(value, &mut cursor, reader) {
        read_variant(value, &mut cursor, reader);
    } else if !value.is_optional() {
        cursor.leave_all();
    }
    cursor.finish_with(
        |names| {
            names.attributes.push(value.key().attribute);
            add_variant_names(value, el, names);
        },
        reader,
    );
}

/// Becomes the variant that an attribute chooses; `false` when there is no telling which.
fn select(value: &mut dyn Keyed, cursor: &mut Cursor<'_>, reader: &mut Reader) -> bool {
    let key = value.key();
    let written = cursor.claim_attribute(key.attribute);
    let is_optional = value.is_optional();
    let chosen = chosen(key, is_optional, written);
    if chosen.is_none()
        && let Some(text) = written
        && let Err(bad) = words::find(key.words, text)
    {
        let part = Part::Attribute(key.attribute.to_owned());
        reader.bad_value(cursor.el(), part, text, bad);
    } else if chosen.is_none() && !is_optional {
        missing(cursor.el(), &format!("attribute '{}'", key.attribute), reader);
    }
    chosen.inspect(|index| value.select(*index)).is_some()
}

/// The variant for what is written, or not.
fn chosen(key: &Key, is_optional: bool, written: Option<&str>) -> Option<usize> {
    match written {
        Some(text) => key.words.iter().position(|word| *word == text),
        None => key.default.filter(|_| !is_optional),
    }
}

/// Whether the variant has a field that must be there.
fn needs_something(value: &dyn Keyed) -> bool {
    value.inner().is_some_and(|inner| inner.shape().fields.iter().any(|field| field.required))
}

/// Claims the names of all variants where there is no telling which one is meant. Where there need
/// not be one, they have no effect.
fn claim_variants(field: &FieldShape, slot: Slot<'_>, cursor: &mut Cursor<'_>) {
    let Slot::Keyed(keyed) = slot else { return };
    if keyed.is_optional() {
        return;
    }
    for name in variant_names(field, keyed) {
        cursor.claim_attribute(name);
        while cursor.claim_child(name).is_some() {}
    }
}

/// The names of what the variants hold, or of the element that holds it.
fn variant_names(field: &FieldShape, keyed: &dyn Keyed) -> Vec<&'static str> {
    if let Kind::Flatten { within: Some(wrapper), .. } = field.kind {
        return vec![wrapper];
    }
    let shapes = keyed.key().variants.iter().filter_map(|variant| variant.shape);
    shapes.flat_map(|shape| shape().fields).map(|field| field.name).collect()
}

fn read_variant(value: &mut dyn Keyed, cursor: &mut Cursor<'_>, reader: &mut Reader) {
    if let Some(inner) = value.inner_mut() {
        read_with(inner, &[], cursor, reader);
    }
}

/// Adds the names that may stand in an element which was read into `value`, as [`read_with`] looks
/// for them.
fn add_names(value: &dyn Element, with: &[&str], el: El<'_>, names: &mut Names) {
    let shape = value.shape();
    names.ignored.extend(shape.ignores);
    names.closed |= shape.closed;
    for (index, field) in shape.fields.iter().enumerate() {
        let slot = value.slot(index);
        if let Slot::Keyed(keyed) = slot {
            names.attributes.push(keyed.key().attribute);
        }
        let is_read = is_read(value, index, with);
        match (field.kind, slot) {
            (Kind::Flatten { .. }, Slot::Element(inner)) if !is_read => {
                names.unused.extend(inner.shape().fields.iter().map(|field| field.name));
            }
            _ if !is_read => names.unused.push(field.name),
            (Kind::Flatten { with, .. }, Slot::Element(inner)) => {
                add_names(inner, with, el, names);
            }
            (Kind::Flatten { within, .. }, Slot::Keyed(keyed)) => {
                let written = el.attribute(keyed.key().attribute);
                if chosen(keyed.key(), keyed.is_optional(), written).is_none() {
                    names.unused.extend(variant_names(field, keyed));
                } else if let Some(wrapper) = within {
                    names.children.push(wrapper);
                } else {
                    add_variant_names(keyed, el, names);
                }
            }
            (Kind::Attribute, _) => names.attributes.push(field.name),
            (Kind::Child { within, .. }, _) => names.children.push(within.unwrap_or(field.name)),
            (Kind::Value { .. } | Kind::Flag, _) => names.children.push(field.name),
            (Kind::Text | Kind::Flatten { .. }, _) => {}
        }
        if field.unit && matches!(field.kind, Kind::Attribute | Kind::Text) {
            names.attributes.push("unit");
        }
    }
}

fn add_variant_names(value: &dyn Keyed, el: El<'_>, names: &mut Names) {
    let key = value.key();
    names.ignored.extend(key.variants[value.selected()].ignores);
    names.unused_variants.push(key);
    if let Some(inner) = value.inner() {
        add_names(inner, &[], el, names);
    }
}

fn missing(el: El<'_>, what: &str, reader: &mut Reader) {
    reader.error(el.origin(), Part::Name, format!("<{}> needs {what}", el.name()));
}

/// Prints attributes, then children and text.
pub fn print(value: &dyn Element, tag: &mut Tag) {
    print_attributes(value, tag);
    print_content(value, tag);
}

/// Prints the variant: its key, its attributes, then its children and text.
pub fn print_keyed(value: &dyn Keyed, tag: &mut Tag) {
    print_key(value, tag);
    if let Some(inner) = value.inner() {
        print(inner, tag);
    }
}

fn print_key(value: &dyn Keyed, tag: &mut Tag) {
    let key = value.key();
    let selected = value.selected();
    if value.is_present() && (!key.quiet || key.default != Some(selected)) {
        tag.attribute(key.attribute, key.words[selected]);
    }
}

fn print_attributes(value: &dyn Element, tag: &mut Tag) {
    let shape = value.shape();
    for step in shape.attributes {
        match *step {
            AttributeStep::Field(index) => {
                let Slot::Value(attribute) = value.slot(index) else { continue };
                if !value.prints(index) {
                    continue;
                }
                let field = &shape.fields[index];
                if field.unit {
                    let text = value.text(index).or_else(|| attribute.text());
                    let Some(text) = text else { continue };
                    let (number, unit) = split_unit(field, &text);
                    if field.kind == Kind::Attribute {
                        tag.attribute(field.name, number);
                    }
                    if let Some(unit) = unit {
                        tag.attribute("unit", unit);
                    }
                } else if field.kind == Kind::Attribute {
                    match value.text(index) {
                        Some(text) => tag.attribute(field.name, &text),
                        None if attribute.is_there() => {
                            tag.attribute_from(field.name, |out| _ = attribute.write(out));
                        }
                        None => {}
                    }
                }
            }
            AttributeStep::Key(index) => {
                if let Slot::Keyed(keyed) = value.slot(index)
                    && value.prints(index)
                {
                    print_key(keyed, tag);
                }
            }
            AttributeStep::Flatten(index) => {
                let within =
                    matches!(shape.fields[index].kind, Kind::Flatten { within: Some(_), .. });
                if within || !value.prints(index) {
                    continue;
                }
                match value.slot(index) {
                    Slot::Element(inner) => print_attributes(inner, tag),
                    Slot::Keyed(keyed) => {
                        if let Some(inner) = keyed.inner() {
                            print_attributes(inner, tag);
                        }
                    }
                    _ => unreachable!("the derive pairs kinds with slots"),
                }
            }
        }
    }
}

/// A value's text, and the unit where that is an attribute.
fn split_unit<'a>(field: &FieldShape, text: &'a str) -> (&'a str, Option<&'a str>) {
    match text.split_once(' ').filter(|_| field.unit) {
        Some((number, unit)) => (number, Some(unit)),
        None => (text, None),
    }
}

fn print_content(value: &dyn Element, tag: &mut Tag) {
    for (index, field) in value.shape().fields.iter().enumerate() {
        if !matches!(field.kind, Kind::Attribute) && (!field.print_if || value.prints(index)) {
            print_field(field, value.slot(index), tag);
        }
    }
}

fn print_field(field: &FieldShape, slot: Slot<'_>, tag: &mut Tag) {
    match (field.kind, slot) {
        (Kind::Attribute, _) => {}
        (Kind::Text, Slot::Value(value)) => {
            let mut text = String::new();
            if value.write(&mut text) && !text.is_empty() {
                tag.text(split_unit(field, &text).0);
            }
        }
        (Kind::Child { within: Some(wrapper), .. }, Slot::Child(child)) => {
            tag.child_if_any(wrapper, |wrapper| print_children(field, child, wrapper));
        }
        (Kind::Child { within: None, .. }, Slot::Child(child)) => print_children(field, child, tag),
        (Kind::Value { attribute: Some(attribute), .. }, Slot::Value(value)) if !field.unit => {
            if value.is_there() {
                tag.child(field.name, |inner| {
                    inner.attribute_from(attribute, |out| _ = value.write(out));
                });
            }
        }
        (Kind::Value { attribute, .. }, Slot::Value(value)) => {
            value.text().iter().for_each(|text| print_value(field, attribute, text, tag));
        }
        (Kind::Value { attribute, .. }, Slot::Values(values)) => {
            values.texts().iter().for_each(|text| print_value(field, attribute, text, tag));
        }
        (Kind::Flag, Slot::Flag(flag)) => {
            if flag {
                tag.child(field.name, |_| {});
            }
        }
        (Kind::Flatten { .. }, Slot::Element(inner)) => print_content(inner, tag),
        (Kind::Flatten { within, .. }, Slot::Keyed(keyed)) => {
            let Some(inner) = keyed.inner() else { return };
            match within {
                None => print_content(inner, tag),
                Some(name) if field.keep_empty => tag.child(name, |tag| print(inner, tag)),
                Some(name) => tag.child_if_any(name, |tag| print(inner, tag)),
            }
        }
        _ => unreachable!("the derive pairs kinds with slots"),
    }
}

fn print_children(field: &FieldShape, child: &dyn Child, into: &mut Tag) {
    child.print(&mut |print| match field.keep_empty {
        true => into.child(field.name, print),
        false => into.child_if_any(field.name, |tag| {
            print(tag);
            if field.open {
                tag.open();
            }
        }),
    });
}

fn print_value(field: &FieldShape, attribute: Option<&str>, text: &str, into: &mut Tag) {
    into.child(field.name, |tag| {
        let (number, unit) = split_unit(field, text);
        if let Some(attribute) = attribute {
            tag.attribute(attribute, number);
        }
        if let Some(unit) = unit {
            tag.attribute("unit", unit);
        }
        if attribute.is_none() {
            tag.text(number);
        }
    });
}
