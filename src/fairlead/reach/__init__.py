"""Where models go: batch scoring now; streams, exports and capacity come with their issue."""
