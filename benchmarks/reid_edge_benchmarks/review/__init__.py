"""The review page measured from outside: a scripted person in a real browser, kills, conflicts, accessibility, and its screenshots."""
