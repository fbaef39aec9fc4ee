//! The product as its users meet it: the real program, over real SSH, with real keys. A module per behaviour.

#[cfg(test)]
mod support;

#[cfg(test)]
mod rooms;

#[cfg(test)]
mod refusals;
