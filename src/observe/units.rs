//! Numbers for people.

/// A number of bytes: `512 bytes`, `1.5 MiB`.
pub fn bytes(n: u64) -> String {
    if n < 1024 {
        return format!("{n} bytes");
    }
    let (value, unit) = scaled(n as f64);
    format!("{value:.1} {unit}")
}

/// Bytes a second: `13.1 GiB/s`.
pub fn rate(bytes_per_second: f64) -> String {
    let (value, unit) = scaled(bytes_per_second);
    format!("{value:.1} {unit}/s")
}

fn scaled(value: f64) -> (f64, &'static str) {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = value;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    (value, UNITS[unit])
}

/// A time: `850 ns`, `1.24 ms`, `12.3 s`, `3 min 20 s`.
pub fn seconds(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s >= 120.0 => {
            let whole = s.round() as u64;
            return format!("{} min {} s", whole / 60, whole % 60);
        }
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s if s >= 1e-6 => (s * 1e6, "µs"),
        s => (s * 1e9, "ns"),
    };
    match value {
        v if unit == "ns" || v >= 100.0 => format!("{v:.0} {unit}"),
        v if v >= 10.0 => format!("{v:.1} {unit}"),
        v => format!("{v:.2} {unit}"),
    }
}

/// A part of a whole: `37 %`; nothing of nothing is 0.
pub fn percent(part: f64, whole: f64) -> String {
    let share = if whole > 0.0 { part / whole } else { 0.0 };
    format!("{:.0} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        assert_eq!(bytes(1023), "1023 bytes");
        assert_eq!(bytes(3 << 19), "1.5 MiB");
        assert_eq!(rate(512.0), "512.0 B/s");
        assert_eq!(rate(2.5 * 1024.0 * 1024.0 * 1024.0), "2.5 GiB/s");
        let times = [2e-7, 1.5e-6, 0.01234, 0.5, 1.5, 42.25, 200.0];
        let texts = times.map(seconds);
        assert_eq!(
            texts,
            [
                "200 ns",
                "1.50 µs",
                "12.3 ms",
                "500 ms",
                "1.50 s",
                "42.2 s",
                "3 min 20 s"
            ]
        );
        assert_eq!(percent(1.0, 4.0), "25 %");
        assert_eq!(percent(1.0, 0.0), "0 %");
    }
}
