"""What happens to the watch daemon under faults: kills, power cuts, full disks, pulled cards, jumping clocks, broken photos."""
