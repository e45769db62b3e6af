//! Seeing what runs: events, profiles, pictures, and the pages in a browser.

#[cfg(feature = "progress")]
mod bars;
mod browser;
mod calls;
mod events;
#[cfg(feature = "serve")]
mod live;
mod page;
mod pictures;
mod profiles;
