//! XML, escaped and free of what it cannot have.

use std::borrow::Cow;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

/// An XML document in the making.
pub(super) type Xml = Writer<Vec<u8>>;

/// A document; `root` writes its only element.
///
/// # Errors
/// When `root` fails.
pub(super) fn document(root: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 1);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    root(&mut xml)?;
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

/// An element with others in it, which `inner` writes.
pub(super) fn element(
    xml: &mut Xml,
    name: &str,
    attributes: &[(&str, &str)],
    inner: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    let attributes = attributes.iter().map(|(name, value)| (*name, allowed(value)));
    xml.create_element(name).with_attributes(attributes).write_inner_content(inner).map(drop)
}

/// An element with nothing in it.
pub(super) fn empty(xml: &mut Xml, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
    let attributes = attributes.iter().map(|(name, value)| (*name, allowed(value)));
    xml.create_element(name).with_attributes(attributes).write_empty().map(drop)
}

/// An element with a text in it.
pub(super) fn text(xml: &mut Xml, name: &str, content: &str) -> io::Result<()> {
    element_with_text(xml, name, &[], content)
}

/// An element with a text in it and attributes.
pub(super) fn element_with_text(
    xml: &mut Xml,
    name: &str,
    attributes: &[(&str, &str)],
    content: &str,
) -> io::Result<()> {
    let attributes = attributes.iter().map(|(name, value)| (*name, allowed(value)));
    let element = xml.create_element(name).with_attributes(attributes);
    element.write_text_content(BytesText::new(&allowed(content))).map(drop)
}

/// The same, if there is one.
pub(super) fn some_text(xml: &mut Xml, name: &str, content: Option<&str>) -> io::Result<()> {
    content.map_or(Ok(()), |content| text(xml, name, content))
}

/// A text without the characters that XML has no way to write (XML 1.0 2.2), escaped or not.
fn allowed(text: &str) -> Cow<'_, str> {
    let is_none =
        |c: char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    if text.contains(is_none) { text.replace(is_none, "").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_text_has_it_is_text() {
        let hostile = "]]><a b=\"c\">&amp;'\0\u{1b}\u{ffff}\tx\n";
        let written = document(|xml| {
            element(xml, "a", &[("b", hostile)], |xml| {
                text(xml, "c", hostile)?;
                some_text(xml, "d", None)?;
                empty(xml, "e", &[])
            })
        });
        let escaped = "]]&gt;&lt;a b=&quot;c&quot;&gt;&amp;amp;&apos;";
        let expected = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a b=\"{escaped}&#9;x&#10;\">\n <c>{escaped}\tx\n</c>\n <e/>\n</a>\n"
        );
        assert_eq!(String::from_utf8(written.unwrap()).unwrap(), expected);
    }
}
