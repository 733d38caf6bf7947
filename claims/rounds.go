package claims

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// rounds makes a round every so often until ctx ends. One that fails is told, and the
// next one tries again.
func rounds(ctx context.Context, every time.Duration, log *zap.Logger, failure string, round func(context.Context) error) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := round(ctx); err != nil && ctx.Err() == nil {
			log.Warn(failure, zap.Error(err))
		}
	}
}
