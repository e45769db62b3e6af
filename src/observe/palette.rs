//! Colours of operations, threads and places in an order.

/// Tints on which dark text is legible, and their strong forms, on which white text is. Neighbours differ for
/// those who see few colours too (after Okabe and Ito, and Tol).
const COLORS: [(&str, &str); 10] = [
    ("#bcd7f2", "#2d77bc"),
    ("#fbd3a4", "#b15f0d"),
    ("#bfe3c8", "#268449"),
    ("#f3c3d4", "#c7417d"),
    ("#d8cdf0", "#8160cc"),
    ("#f6e9a6", "#897207"),
    ("#b5e3e4", "#138087"),
    ("#f2c2b8", "#c64c35"),
    ("#dfe3b6", "#6c7b1a"),
    ("#d9d3cc", "#807264"),
];

/// Dark text, legible on all tints.
pub const INK: &str = "#1b1f24";

pub fn tint(number: usize) -> &'static str {
    COLORS[number % COLORS.len()].0
}

pub fn strong(number: usize) -> &'static str {
    COLORS[number % COLORS.len()].1
}

/// From a pale yellow to a middle blue; dark text is legible on all of it.
pub fn gradient(part: f64) -> String {
    let part = part.clamp(0.0, 1.0);
    let mix = |from: f64, to: f64| (from + (to - from) * part).round() as u8;
    format!(
        "#{:02x}{:02x}{:02x}",
        mix(253.0, 96.0),
        mix(243.0, 165.0),
        mix(190.0, 225.0)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG's relative luminance.
    fn luminance(color: &str) -> f64 {
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_is_legible_on_all_of_them() {
        for number in 0..COLORS.len() {
            assert!(contrast(tint(number), INK) >= 7.0, "{}", tint(number));
            assert!(
                contrast(strong(number), "#ffffff") >= 3.0,
                "{}",
                strong(number)
            );
        }
        for step in 0..=10 {
            let color = gradient(f64::from(step) / 10.0);
            assert!(contrast(&color, INK) >= 4.5, "{color}");
        }
    }
}
