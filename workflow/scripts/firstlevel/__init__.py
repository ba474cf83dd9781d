"""What two or more stages share: pure functions, arrays in and arrays out."""
