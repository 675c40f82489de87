//! Addresses of the web that are written down here to be followed elsewhere.

use http::Uri;

/// Longer than a browser takes.
const MOST: usize = 2048;

/// A text that is a whole URL of `http` or `https`, escaped as it has to be.
///
/// # Errors
/// When it is something else, in words.
pub(crate) fn url(text: &str) -> Result<&str, String> {
    let is_whole = |uri: &Uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    };
    // What stands before an @ is a password at worst.
    let names_nobody = |uri: &Uri| uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    // The parser takes letters of all alphabets, and whatever stands behind a #.
    let is_plain = text.len() <= MOST && text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_url = is_plain && text.parse().is_ok_and(|uri| is_whole(&uri) && names_nobody(&uri));
    if is_url {
        Ok(text)
    } else {
        Err(format!("`{text}` is not a whole URL, such as https://radio.example/cover.jpg"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_urls_are_taken_and_nothing_else_is() {
        for good in ["https://radio.example", "http://127.0.0.1:8000/a%20b?c=d#e", "https://[::1]/x.jpg"] {
            assert_eq!(url(good), Ok(good));
        }
        let long = format!("https://radio.example/{}", "x".repeat(MOST));
        for bad in [
            "",
            "/cover.jpg",
            "radio.example",
            "ftp://radio.example/",
            "javascript:alert(1)",
            "https://",
            "https://a b/",
            "https://radio.example/a b",
            "https://radio.example/#a b",
            "https://radio.example/\u{e9}",
            "https://me:secret@radio.example/",
            &long,
        ] {
            assert!(url(bad).unwrap_err().contains(bad), "{bad}");
        }
    }
}
