"""The fakes, the fault injector and the independent checker: for our tests, and for users' own."""
