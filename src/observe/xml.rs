//! Writing XML and HTML.

/// Text as it may stand between tags and in quoted attributes. Characters that XML has no place for become `�`.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' => escaped.push(c),
            '\0'..='\x1f' | '\x7f' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// At most so many characters, the middle left out: a name's end tells as much as its beginning.
pub fn shorten(text: &str, most: usize) -> String {
    let n = text.chars().count();
    if n <= most {
        return text.to_owned();
    }
    let tail = (most - 1) / 3;
    let head: String = text.chars().take(most - 1 - tail).collect();
    let end: String = text.chars().skip(n - tail).collect();
    format!("{head}…{end}")
}

/// A template with `{{name}}` where a value goes. Values are not looked through for further names.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let found = rest.find("}}").and_then(|end| {
            let name = &rest[2..end];
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((end + 2, value))
        });
        match found {
            Some((end, value)) => {
                filled.push_str(value);
                rest = &rest[end..];
            }
            None => {
                filled.push_str("{{");
                rest = &rest[2..];
            }
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping() {
        assert_eq!(
            escape("<a b=\"c\" d='e'>&\0\u{1b}\n"),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;\u{fffd}\u{fffd}\n"
        );
    }

    #[test]
    fn shortening() {
        assert_eq!(shorten("mean", 4), "mean");
        assert_eq!(shorten("abcdefghij", 7), "abcd…ij");
        assert_eq!(shorten("ääääääää", 4), "ää…ä");
    }

    #[test]
    fn values_are_not_templates() {
        let filled = fill("{{a}}-{{b}}-{{c}} {{", &[("a", "{{b}}"), ("b", "2")]);
        assert_eq!(filled, "{{b}}-2-{{c}} {{");
    }
}
