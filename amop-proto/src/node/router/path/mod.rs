//! The path of one message through the router: unicasts with their attempts, multicasts, answers.

mod answer;
mod attempt;
mod departures;
mod late;
mod message;
mod multicast;
mod subscribers;
mod timers;
mod unicast;
mod working;
